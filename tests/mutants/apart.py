"""Seeded mistakes in what keeps images and pixels apart, and in how they are judged."""

from __future__ import annotations

from functools import partial

from tests.mutants.moves import GOLDEN
from tests.mutants.mutant import Mutant

BATCHES = "tests/backends/test_batches.py::test_images_do_not_mix"

_images = partial(Mutant, file="backends/llvm/kernels/strassen.py", tests=BATCHES)
_pixels = partial(Mutant, file="passes/pixels.py", tests=GOLDEN)
_pass = partial(Mutant, file="passes/use_strassen.py", tests=GOLDEN)
_judge = partial(Mutant, file="mbc/accuracy.py", tests="tests/unit/test_accuracy.py")

MUTANTS = (
    Mutant(
        "pixels of different images are paired",
        "backends/llvm/kernels/linear.py",
        old="    image = replace(gemm, rows=gemm.rows // images)\n",
        new="    image, images = gemm, 1\n",
        tests=BATCHES,
    ),
    _images(
        "each image is multiplied where the first one lies",
        old="return here.down(f, plan.gemm, rows).values",
        new="return values",
    ),
    _images(
        "a share begins with the first image, whichever it is of",
        old='at.down(f, plan.gemm, f.binary("mul", first, rows)).carried',
        new="at.carried",
    ),
    _images(
        "a share that ends within an image leaves that out",
        old='last = f.binary("udiv", f.binary("add", "%end", tasks - 1), tasks)',
        new='last = f.binary("udiv", "%end", tasks)',
    ),
    # which outputs tell pixels apart
    _pass(
        "pixels may have any error",
        old="(error := error_by_strassen(graph, node)) <= ROUGHEST",
        new="(error := error_by_strassen(graph, node)) <= 100 * ROUGHEST",
    ),
    _pass(
        "only what nothing bounds is too rough",
        old="if output is None or",
        new="if output is not None or",
    ),
    _pass(
        "what comes allowed stays so where it is switched off",
        old="if node.schedule != Strassen():\n        result.note",
        new="if True:\n        result.note",
    ),
    _pixels(
        "a part of a flattened map is taken for all of it",
        old="Form.PART if form is Form.WHOLE and not segment.is_whole else form",
        new="form",
    ),
    _pixels(
        "a split of a flattened map is taken for all of it",
        old="return form if form is Form.MAP else Form.PART",
        new="return form",
    ),
    _pixels(
        "residuals are summed up",
        old='        case Conv2d() if role == "residual":\n            return form\n',
        new='        case Conv2d() if role == "residual":\n            return None\n',
    ),
    _pixels(
        "a fused layer sums up all pixels",
        old="forms |= _through_body(node.op.body, node, forms)",
        new="_through_body(node.op.body, node, forms)",
    ),
    _pixels(
        "the images may become pixels",
        old="return _moved(form, keeps_images=perm[0] == 0)",
        new="return _moved(form, keeps_images=True)",
    ),
    _pixels(
        "pixels may become images",
        old="return _moved(form, keeps_images=shape[0] == x.shape[0])",
        new="return _moved(form, keeps_images=True)",
    ),
    _pixels(
        "each group sums up all groups",
        old='present(node.type_of("weight"))) and op.groups == 1',
        new='present(node.type_of("weight")))',
    ),
    _pixels(
        "any window that gives one pixel sums up all",
        old="return dilation == (1, 1) and all(fits)",
        new="return True",
    ),
    _pixels(
        "windows have no gaps",
        old="return dilation == (1, 1) and all(fits)",
        new="return all(fits)",
    ),
    _pixels(
        "windows begin where the map does",
        old="k - pad >= size for",
        new="k >= size for",
    ),
    _pixels(
        "the one pixel that a window leaves is a map",
        old="if form is Form.MAP and _pixels(result) > 1:",
        new="if form is Form.MAP:",
    ),
    _pixels(
        "what were channels are pixels",
        old="            return form is Form.MAP\n",
        new="            return True\n",
    ),
    # how far pixels differ
    _pixels(
        "a part of what adds up to one does so too",
        old="if not all(segment.is_whole for segment in view.segments) or",
        new="if",
    ),
    _pixels(
        "nothing is known to be at most anything",
        old="            return 0.0, inf\n",
        new="            return 1.0, 1.0\n",
    ),
    _pixels(
        "the roundings of few channels do not count",
        old="(1 + 7 / half)",
        new="1",
    ),
    # how answers are judged
    _judge(
        "pixels are judged by the largest of the image",
        old="np.maximum(sizes, typical[:, np.newaxis])",
        new="np.maximum(sizes, sizes.max(axis=1, keepdims=True))",
    ),
    _judge(
        "images are judged by the largest of the batch",
        old="typical[typical == 0] = typical.max() or 1.0",
        new="typical[:] = typical.max() or 1.0",
    ),
    _judge(
        "each pixel is judged by itself alone",
        old="np.maximum(sizes, typical[:, np.newaxis])",
        new="np.maximum(sizes, 1e-30)",
    ),
    _judge(
        "zeros are typical",
        old="_median(image[image > 0])",
        new="_median(image)",
    ),
    _judge(
        "an image of zeros is judged by nothing",
        old="typical.max() or 1.0",
        new="1e-30",
    ),
    _judge(
        "what is not finite is right anywhere",
        old="np.where(same, 0, inf)",
        new="0",
    ),
    _judge(
        "what is not finite is right nowhere",
        old="np.where(same, 0, inf)",
        new="inf",
    ),
    Mutant(
        "--no-strassen needs a pass that is there",
        "passes/pipelines.py",
        old="passes=(*stage.passes, off)) if stage.name",
        new="passes=stage.passes) if stage.name",
        tests="tests/e2e/test_strassen_option.py",
    ),
)
