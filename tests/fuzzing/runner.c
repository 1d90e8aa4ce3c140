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
    mbc_pool *pool = nets[i].threads > 1 ? mbc_pool_create(nets[i].threads, NULL) : NULL;
    if (nets[i].threads > 1 && !pool) return 4;
    run(&nets[i], pool);
    if (pool) mbc_pool_destroy(pool);
  }
  return 0;
}
