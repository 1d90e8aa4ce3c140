"""The ShuffleNet among ONNX's own test models, with the pool of 7x7 pixels at its end."""

from pathlib import Path

from onnx.backend.test.loader import DATA_DIR

from mbc.frontends.onnx.importer import import_onnx
from tests.onnx_models import moves_after_fuse


def test_nothing_in_it_only_moves_data() -> None:
    graph = import_onnx(Path(DATA_DIR) / "light" / "light_shufflenet.onnx").graph
    assert len(graph.topo()) > 150
    assert not moves_after_fuse(graph)
