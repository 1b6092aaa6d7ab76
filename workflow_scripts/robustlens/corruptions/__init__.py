"""The corruptions of ImageNet-C and its four further ones (Hendrycks and Dietterich 2019), in batches on a device.

Each corruption is two functions. ``prepare_<name>(random, pixels, severity)`` draws what is random about one image, on the CPU, and works
out what does not depend on the device; ``<name>(pixels, severity, **prepared)`` is the mathematics, for a batch: uint8 ``[n_images, height,
width, 3]`` in and out. So the same mathematics can be fed with the draws of another implementation. Inside, values are float32 in grey
levels, 0 to 255. Parameters are the published ones for 224 px; where the published code says 224, other sizes scale as each module says.
"""
