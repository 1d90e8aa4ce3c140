"""Normalisations over channels or images, and products of computed matrices."""

from __future__ import annotations

from mbc.frontends.dsl.builder import Builder, Tensor
from mbc.frontends.dsl.window import number, whole
from mbc.ops.matmul import MatMul
from mbc.ops.rows import InstanceNorm, L2Normalize, LogSoftmax, Lrn


class RowLayers(Builder):
    """Layers that normalise, and products of two tensors."""

    def log_softmax(self, x: Tensor) -> Tensor:
        """Take the logarithm of the softmax over the channels."""
        (result,) = self.emit(LogSoftmax(), [self.read(x)])
        return result

    def l2_normalize(self, x: Tensor, *, epsilon: float = 1e-12) -> Tensor:
        """Divide each pixel by the norm of its channels, or by epsilon if that is larger."""
        (result,) = self.emit(L2Normalize(number("epsilon", epsilon)), [self.read(x)])
        return result

    def lrn(
        self,
        x: Tensor,
        size: int,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        bias: float = 1.0,
    ) -> Tensor:
        """x / (bias + alpha / size * sum of x**2)**beta, the sum over `size` channels around each.

        TensorFlow has no division of alpha, and `depth_radius` for (size - 1) / 2. For an even size
        the odd channel is after, as in ONNX; PyTorch has it before.
        """
        op = Lrn(
            whole("size", size),
            number("alpha", alpha),
            number("beta", beta),
            number("bias", bias),
        )
        (result,) = self.emit(op, [self.read(x)])
        return result

    def instance_norm(self, x: Tensor, *, epsilon: float = 1e-5, name: str | None = None) -> Tensor:
        """Normalise each channel of each image by its own mean and variance; parameters gamma and
        beta of [c]."""
        value = self.read(x)
        layer = self.claim(name, "in")
        vectors = [self.parameter(layer, role, value.type.channels) for role in ("gamma", "beta")]
        (result,) = self.emit(InstanceNorm(number("epsilon", epsilon)), [value, *vectors], layer)
        return result

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply matrices: [...,m,k] by [...,k,n], with the same axes before them."""
        (result,) = self.emit(MatMul(), [self.read(a, "a"), self.read(b, "b")])
        return result
