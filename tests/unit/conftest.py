"""What several tests share: of stylization paintings and weights of AdaIN; reports of made-up results; processes that start at once."""

import multiprocessing
from multiprocessing import forkserver
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from robustlens.stimuli.adain import build_decoder, build_encoder
from robustlens.stimuli.paintings import draw_painting
from synthetic.report import reported

LIBRARY = Path(__file__).resolve().parents[2] / "workflow_scripts"
PRELOADED = [
    "pytest",
    "torch._dynamo",
    "torch.nn.parallel",
    "robustlens.models.parallel",
    "robustlens.models.miniature",
    "robustlens.store",
]
torch.set_num_threads(1)  # a test has one core: others wait for it by spinning


@pytest.fixture
def one_thread():
    """As in a job."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def server():
    """The process id of a process that has imported what jobs import, and forks those of multiprocessing's way ``forkserver``."""
    multiprocessing.set_forkserver_preload(PRELOADED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(LIBRARY))
        forkserver.ensure_running()
    yield forkserver._forkserver._forkserver_pid
    forkserver._forkserver._stop()


@pytest.fixture
def paintings(tmp_path):
    """Five paintings in two folders, one of them not square."""
    folder = tmp_path / "paintings"
    for name in ("b/1.png", "a/2.png", "a/1.jpg", "c.png", ".thumbnails/x.png", "b/wide.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_painting(name, 0, 24, 40 if "wide" in name else 24)).save(folder / name)
    (folder / ".DS_Store").write_text("")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights in the layout of the published ones: the encoder's as a torch file, the decoder's as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    states = {}
    for name, network in (("vgg_normalised", build_encoder()), ("decoder", build_decoder())):
        for module in network:
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5)
                torch.nn.init.constant_(module.bias, 0.1)
        states[name] = network.state_dict()
    torch.save(states["vgg_normalised"] | {"51.bias": torch.zeros(512)}, folder / "vgg_normalised.pth")  # a layer beyond relu4_1
    save_file(states["decoder"], folder / "decoder.safetensors")
    return {"encoder": str(folder / "vgg_normalised.pth"), "decoder": str(folder / "decoder.safetensors")}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Complete made-up results of the study that ships, with their report."""
    return reported(tmp_path_factory.getbasetemp(), "embedded_study")


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    """Made-up results of one network on photographs: no pair, control, concept, conflict, attack or noise."""
    return reported(tmp_path_factory.getbasetemp(), "single_study")
