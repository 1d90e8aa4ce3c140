/* A network on one to four threads that lose their CPUs at random moments: its answers must have the
 * same bits as the one of a single thread. With ThreadSanitizer, and kernels that are compiled for it,
 * every access that the pool does not order is a report.
 *
 * program WEIGHTS RUNS: so many runs in all, on two, three and four threads in turn. */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delays.h"
#include "pool.h"

enum { MOST_THREADS = 4, TURNS_EACH = 25, TENSORS = sizeof (size_t[]){BYTES} / sizeof(size_t) };

static const size_t bytes[] = {BYTES}; /* of inputs and outputs; INPUTS of them are inputs */

void NET(void *const *io, const void *weights, void *arena, mbc_pool *pool);

#ifdef __SANITIZE_THREAD__ /* what LLVM's instrumentation calls; gcc's runtime checks the plain ones */
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int byte, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size) { return memcpy(to, from, size); }
void *__tsan_memset(void *to, int byte, size_t size) { return memset(to, byte, size); }
#endif

static void *memory(size_t size) {
  void *found = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  if (!found) exit(2);
  return memset(found, 0, (size + 4095) / 4096 * 4096);
}

static void *contents(const char *name) {
  FILE *file = fopen(name, "rb");
  if (!file || fseek(file, 0, SEEK_END)) exit(2);
  size_t size = (size_t)ftell(file);
  void *found = memory(size);
  rewind(file);
  if (fread(found, 1, size, file) != size) exit(2);
  fclose(file);
  return found;
}

/* Inputs between -1 and 1. */
static void fill(float *x, size_t count) {
  uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
  }
}

int main(int words, char **word) {
  if (words != 3) return 2;
  void *weights = contents(word[1]), *arena = memory(ARENA), *io[TENSORS], *expected[TENSORS];
  int runs = atoi(word[2]), done = 0;
  for (int i = 0; i < (int)TENSORS; i++) {
    io[i] = memory(bytes[i]), expected[i] = memory(bytes[i]);
    if (i < INPUTS) fill(io[i], bytes[i] / sizeof(float)), memcpy(expected[i], io[i], bytes[i]);
  }
  NET(expected, weights, arena, NULL);
  while (done < runs)
    for (uint32_t threads = 2; threads <= MOST_THREADS; threads++) {
      mbc_pool *pool = mbc_pool_create(threads, NULL);
      if (!pool) return 2;
      for (int turn = 0; turn < TURNS_EACH && done < runs; turn++, done++) {
        for (int i = INPUTS; i < (int)TENSORS; i++) memset(io[i], 0x5a, bytes[i]);
        NET(io, weights, arena, pool);
        for (int i = INPUTS; i < (int)TENSORS; i++)
          if (memcmp(io[i], expected[i], bytes[i])) {
            printf("run %d, %u threads: other bits\n", done, threads);
            return 3;
          }
      }
      mbc_pool_destroy(pool);
    }
  printf("%d runs, %u delays\n", done, delays());
  return 0;
}
