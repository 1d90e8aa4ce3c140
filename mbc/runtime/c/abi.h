/* What a compiled network says of itself to programs that look it up while they run. NET.h repeats
 * it, so that it stands alone. */
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

#ifndef MBC_ELEMENT_TYPES
#define MBC_ELEMENT_TYPES
enum { MBC_F32 = 1, MBC_F16 = 2, MBC_U8 = 3, MBC_S8 = 4, MBC_S32 = 5 };
#endif

#ifndef MBC_ABI_VERSION
#define MBC_ABI_VERSION 1

/* A dense tensor, row-major. An element e stands for scale * (e - zero_point). */
typedef struct mbc_tensor {
  const char *name;    /* as the network has it, in UTF-8 */
  const size_t *shape; /* its `rank` extents; images are NHWC */
  size_t count;        /* of elements */
  uint32_t type;       /* MBC_F32 … */
  uint32_t rank;
  float scale;        /* 1 and 0 where elements are the values themselves */
  int32_t zero_point;
} mbc_tensor;

/* A network. Sizes are in bytes; those of memory are the macros of NET.h. Members are only ever
 * added at the end: read none behind `size`. */
typedef struct mbc_abi {
  uint32_t version; /* MBC_ABI_VERSION of the library */
  uint32_t size;    /* of this struct there */
  const char *name; /* NET */
  const char *build;
  size_t arena_bytes;
  size_t shared_bytes;
  size_t scratch_bytes;
  size_t weights_bytes; /* in the library, or of the file NET.weights but for its SHA-256 */
  uint32_t alignment;   /* of the arena, and of weights from a file */
  uint32_t external_weights; /* 1 if the weights are a file */
  uint32_t input_count;
  uint32_t output_count;
  const mbc_tensor *inputs;
  const mbc_tensor *outputs;
  /* `tensors` is a NET_io, or an array of the pointers in it: the inputs in order, then the outputs.
   * `weights` is ignored unless they are a file; all else as for NET_run. */
  int (*run)(const void *tensors, const void *weights, void *arena, mbc_pool *pool);
  size_t (*arena_bytes_for)(int threads);
  int (*flush_subnormals)(int on);
  /* Of each input "", or what the network makes of its bytes: "range=255 mean=0.5 std=0.25" for
   * (element / 255 - 0.5) / 0.25, where mean and std may be lists with commas, one for a channel. */
  const char *const *normalize;
} mbc_abi;

#elif MBC_ABI_VERSION != 1
#error "headers that other versions of mbc made: compile all networks of a program with one"
#endif
