"""The two kernels of matrix products: operands straight from memory, or from shared tiles."""

from __future__ import annotations

from mbc.backends.tvm.gpu.draft import Draft
from mbc.backends.tvm.gpu.gemm import Body, Gemm
from mbc.backends.tvm.gpu.launch import NodeKernel
from mbc.backends.tvm.gpu.schedule import ceildiv
from mbc.backends.tvm.gpu.tir import Code, Expr, Memory, lane
from mbc.records import dataclass
from mbc.schedules.gpu import LANES


def gemm_kernel(draft: Draft, gemm: Gemm) -> NodeKernel:
    """Make the kernel of a product whose arguments are all in the draft."""
    product, tile = gemm.product, gemm.tile
    columns = ceildiv(product.columns, tile.block_columns)
    grid = (ceildiv(product.rows, tile.block_rows), columns, product.groups)
    block = (tile.across, tile.down, tile.slices)
    body = Staged if tile.stage_a else Direct
    return draft.finish(grid, block, lambda code: body(code, gemm).run())


class Direct(Body):
    """Each thread loads its own operands, and relies on caches for reuse."""

    def sum_up(self) -> None:
        """Multiply four columns of A and four rows of W at a time."""
        each = LANES // self.source.lanes
        self.loaded = self.code.registers(self.tile.rows * each, self.source.lanes)
        rows = [
            self.source.row(self.code, self.clamped(self.row(i))) for i in range(self.tile.rows)
        ]
        with self.code.loop(self.tile.steps(self.product.depth)) as step:
            for part in range(0, self.tile.depth, LANES):
                k = self.code.bind(self.start(step) + part)
                for number, row in enumerate(rows):
                    self._load(number * each, row, k)
                a = [self._elements(number * each) for number in range(self.tile.rows)]
                self.multiply(a, self.weights_at(k))

    def _load(self, first: int, row: Expr, k: Expr) -> None:
        """Load four elements of A."""
        for part in range(LANES // self.source.lanes):
            self.fetch(self.loaded, first + part, row, k + part * self.source.lanes)

    def _elements(self, first: int) -> list[Expr]:
        """Return four loaded elements of A as scalars."""
        lanes = self.source.lanes
        parts = [self.code.bind(self.loaded.load(first + i)) for i in range(LANES // lanes)]
        return [lane(part, number, lanes) for part in parts for number in range(lanes)]


@dataclass(frozen=True)
class Share:
    """A vector of a tile that one thread fetches."""

    row: Expr
    """Row in the tile."""
    column: Expr
    """Column in the tile, in vectors."""
    exists: Expr
    """Whether the tile has this vector."""
    context: Expr = None
    """Result of the source's `row`."""


class Staged(Body):
    """The threads of a block load tiles into shared memory, double-buffered: the next tile is
    loaded while one is multiplied, so one barrier a tile is enough."""

    def __init__(self, code: Code, gemm: Gemm) -> None:
        super().__init__(code, gemm)
        tile = self.tile
        self.team = tile.across * tile.down
        self.member = self.down * tile.across + self.across
        self.a = self._shares(tile.block_rows, tile.depth // self.source.lanes)
        self.a = [self._with_context(share) for share in self.a]
        self.a_loaded = code.registers(len(self.a), self.source.lanes)
        self.w = self._shares(tile.depth, tile.block_columns // LANES) if tile.stage_w else []
        self.w_loaded = code.registers(max(len(self.w), 1), LANES)

    def _shares(self, rows: int, across: int) -> list[Share]:
        """Divide a tile of `rows` times `across` vectors among the threads."""
        total, found = rows * across, []
        for turn in range(ceildiv(total, self.team)):
            number = self.member + turn * self.team
            exists = True if (turn + 1) * self.team <= total else number < total
            found.append(Share(number // across, number % across, exists))
        return found

    def _with_context(self, share: Share) -> Share:
        row = self.code.block[0] * self.tile.block_rows + share.row
        bounded = self.clamped(row) if share.exists is True else self.bounded(row)
        context = self.source.row(self.code, bounded)
        return Share(share.row, share.column, share.exists, context)

    def sum_up(self) -> None:
        """Multiply tile after tile."""
        steps = self.tile.steps(self.product.depth)
        self._load(0)
        with self.code.loop(steps) as step:
            start = (self.slice * 2 + step % 2) * self.tile.stage_floats
            self._put(start)
            self.code.barrier()
            if steps > 1:
                with self.code.when(step + 1 < steps):
                    self._load(step + 1)
            with self.code.loop(self.tile.depth // LANES) as part:
                self._part(start, step, part * LANES)

    def _load(self, step: Expr) -> None:
        """Load this thread's shares of a step into registers."""
        first = self.start(step)
        for number, share in enumerate(self.a):
            with self.code.when(share.exists):
                k = first + share.column * self.source.lanes
                self.fetch(self.a_loaded, number, share.context, k)
        for number, share in enumerate(self.w):
            with self.code.when(share.exists):
                column = self.code.block[1] * self.tile.block_columns + share.column * LANES
                place = self.weight_at(first + share.row, column)
                self.w_loaded.store(number, self.weight.load(place, LANES))

    def _put(self, start: Expr) -> None:
        """Store the loaded shares in a tile of shared memory."""
        lanes, tile = self.source.lanes, self.tile
        self._spill(self.a, self.a_loaded, start, tile.pitch, lanes)
        if tile.stage_w:
            second = start + tile.block_rows * tile.pitch
            self._spill(self.w, self.w_loaded, second, tile.block_columns, LANES)

    def _spill(
        self, shares: list[Share], loaded: Memory, start: Expr, pitch: int, lanes: int
    ) -> None:
        for number, share in enumerate(shares):
            with self.code.when(share.exists):
                place = start + share.row * pitch + share.column * lanes
                self.shared.store(place, loaded.load(number), lanes)

    def _part(self, start: Expr, step: Expr, k: Expr) -> None:
        """Multiply four columns of A by four rows of W."""
        tile = self.tile
        places = [start + (self.down + i * tile.down) * tile.pitch + k for i in range(tile.rows)]
        vectors = [self.code.bind(self.shared.load(place, LANES)) for place in places]
        a = [[lane(vector, q, LANES) for q in range(LANES)] for vector in vectors]
        if not tile.stage_w:
            self.multiply(a, self.weights_at(self.start(step) + k))
            return
        second = start + tile.block_rows * tile.pitch
        w = [
            [
                self.shared.load(second + (k + q) * tile.block_columns + self.offset(j), LANES)
                for q in range(LANES)
            ]
            for j in range(tile.vectors)
        ]
        self.multiply(a, w)
