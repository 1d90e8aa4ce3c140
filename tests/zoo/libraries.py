"""Networks of torchvision and timm, with random weights: what `--weights-from` is checked with.

torchvision's compiled operators do not load beside the CPU build of PyTorch that these lanes use,
and nothing here needs them: they are declared, so that its Python imports.
"""

from __future__ import annotations

from typing import Any

import torch

OPERATORS = ("nms", "roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d")
_LIBRARY = torch.library.Library("torchvision", "DEF")  # lives as long as its declarations
for _name in ("qnms", *OPERATORS, *(f"_{name}_backward" for name in OPERATORS[1:])):
    _LIBRARY.define(f"{_name}(Tensor x) -> Tensor")


def module(library: str, name: str) -> Any:
    """A network in evaluation mode, with random weights and statistics."""
    torch.manual_seed(0)
    if library == "torchvision":
        import torchvision

        more = {"weights_backbone": None} if name.startswith("lraspp") else {}
        made = torchvision.models.get_model(name, weights=None, **more)
    else:
        import timm

        made = timm.create_model(name)
    for each in made.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(each.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(each.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(each.weight, 0.8, 1.2)
            torch.nn.init.uniform_(each.bias, -0.2, 0.2)
    return made.eval()
