/* Runs networks one after the other: weights and inputs come from standard input, outputs go to
 * standard output. The arena and the outputs are full of numbers that are none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "runner.h"

static unsigned char *memory(size_t bytes) {
  size_t all = (bytes + 127) / 64 * 64;
  unsigned char *made = aligned_alloc(64, all);
  if (!made) exit(2);
  return memset(made, 0xff, all);
}

static void *taken(size_t bytes) {
  void *made = memory(bytes);
  if (fread(made, 1, bytes, stdin) != bytes) exit(3);
  return made;
}

/* A pool whose threads are all this one: as tests/scatter.py deals out, later tasks first. */
typedef struct {
  mbc_pool pool;
  uint32_t state;
} scatter;

static uint32_t drawn(scatter *s, uint32_t below) {
  s->state = s->state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)s->state * below >> 32);
}

static void scatter_part(scatter *s, mbc_task task, void *context, uint32_t begin, uint32_t end) {
  while (begin < end) {
    uint32_t next = begin + 1 + drawn(s, end - begin);
    task(context, drawn(s, s->pool.threads), begin, next);
    begin = next;
  }
}

static void scatter_run(mbc_pool *pool, mbc_task task, void *context, uint32_t count,
                        uint32_t grain) {
  scatter *s = (scatter *)pool;
  uint32_t middle = drawn(s, count);
  (void)grain;
  scatter_part(s, task, context, middle, count);
  scatter_part(s, task, context, 0, middle);
}

static void run(const struct net *net, mbc_pool *pool) {
  size_t count = net->inputs + net->outputs;
  void *weights = taken(net->weights), *arena = memory(net->arena);
  void **io = malloc(count * sizeof *io);
  for (size_t i = 0; i < count; i++)
    io[i] = i < net->inputs ? taken(net->bytes[i]) : memory(net->bytes[i]);
  net->invoke(io, weights, arena, pool);
  for (size_t i = net->inputs; i < count; i++) fwrite(io[i], 1, net->bytes[i], stdout);
  for (size_t i = 0; i < count; i++) free(io[i]);
  free(io);
  free(weights);
  free(arena);
}

int main(void) {
  for (size_t i = 0; i < net_count; i++) {
    scatter crew = {.pool = {scatter_run, nets[i].threads}};
    run(&nets[i], nets[i].threads > 1 ? &crew.pool : NULL);
  }
  return 0;
}
