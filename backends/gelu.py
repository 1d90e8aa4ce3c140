"""gelu without erf and tanh, as LLVM and GPU kernels compute it."""

GELU_LOG2 = (
    -0.999992132,
    -1.15121281,
    -0.458727419,
    -0.0534892194,
    0.00815047696,
    -0.000802447379,
    4.09726817e-05,
    -7.28819145e-07,
)
"""log2((1 - erf(x / sqrt(2))) / 2) as a polynomial: a minimax fit of x * 2**p(x) for x >= 0."""

GELU_MOST = 13.173837  # where the polynomial is -127: 2**-127 counts as 0

GELU_TANH = (1.5957691216057308, 0.07135481627260025)  # sqrt(8 / pi), and 0.044715 times that

GELU_TANH_MOST = 10.02980535  # where the exponent is 88: exp(-88) counts as 0
