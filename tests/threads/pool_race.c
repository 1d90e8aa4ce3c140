/* Many turns of the pool whose tasks read and write what other turns' tasks wrote: with
 * ThreadSanitizer, every access that the pool does not order is a report. */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pool.h"
#ifdef MBC_POOL_DELAY
#include "delays.h"
#endif

enum { CELLS = 96, GRAIN = 5, TURNS = 600, PAUSES = 12 };

typedef struct {
  uint32_t cells[2][CELLS];
  uint32_t turn;
} board;

/* Each cell becomes the sum of its neighbours of the turn before. */
static void step(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  board *b = context;
  const uint32_t *from = b->cells[b->turn % 2];
  uint32_t *to = b->cells[(b->turn + 1) % 2];
  (void)thread;
  for (uint32_t i = begin; i < end; i++)
    to[i] = from[(i + 1) % CELLS] + from[(i + CELLS - 1) % CELLS];
}

static uint32_t play(mbc_pool *pool) {
  const struct timespec pause = {.tv_nsec = 2000000}; /* long enough that the threads sleep */
  board *b = calloc(1, sizeof *b);
  b->cells[0][0] = 1;
  for (b->turn = 0; b->turn < TURNS; b->turn++) {
    if (b->turn % (TURNS / PAUSES) == 0) nanosleep(&pause, NULL);
    if (pool)
      pool->run(pool, step, b, CELLS, GRAIN);
    else
      step(b, 0, 0, CELLS);
  }
  uint32_t result = b->cells[TURNS % 2][0];
  free(b);
  return result;
}

int main(void) {
  uint32_t expected = play(NULL);
  for (uint32_t threads = 1; threads <= 5; threads++) {
    mbc_pool *pool = mbc_pool_create(threads, NULL);
    if (!pool) return 2;
    uint32_t found = play(pool);
    mbc_pool_destroy(pool);
    if (found != expected) {
      printf("%u threads: %u, not %u\n", threads, found, expected);
      return 3;
    }
  }
  puts("ok");
  return 0;
}
