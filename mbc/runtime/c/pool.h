/* A small pool of threads that runs the tasks of one kernel after the other. */
#ifndef MBC_POOL_H
#define MBC_POOL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MBC_POOL_DECLARED
#define MBC_POOL_DECLARED
typedef void (*mbc_task)(void *context, uint32_t thread, uint32_t begin, uint32_t end);

/* What a network needs of a pool; any implementation will do. `run` deals the tasks 0 … count-1 out
 * to threads numbered below `threads` and returns when all are done. A thread runs none, one or more
 * ranges, one after the other, each of at least `grain` tasks but where there are fewer in all. A
 * pool serves one caller at a time. */
typedef struct mbc_pool mbc_pool;
struct mbc_pool {
  void (*run)(mbc_pool *pool, mbc_task task, void *context, uint32_t count, uint32_t grain);
  uint32_t threads;
};
#endif

/* A pool of `threads` threads, the caller's own among them. With `cpus` (as many, or NULL), thread i
 * is pinned to cpus[i], the caller's included. NULL if a thread cannot be started or pinned. */
mbc_pool *mbc_pool_create(uint32_t threads, const int *cpus);

void mbc_pool_destroy(mbc_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
