/* The networks that a runner is linked with. */
#include <stddef.h>

struct net {
  void (*invoke)(void **io, const void *weights, void *arena, void *pool);
  size_t inputs, outputs;
  const size_t *bytes; /* of each input, then of each output */
  size_t weights, arena;
  unsigned threads;
};

extern const struct net nets[];
extern const size_t net_count;
