/* Counts what an arm64 program does under qemu-aarch64: instructions, multiply-adds, vector
 * registers loaded, bytes stored. A plugin of qemu's code generator (TCG) for version 1 of the
 * plugin interface, which qemu 6.0 to 8.2 have.
 *
 *     qemu-aarch64 -plugin libcount.so,out=FILE[,symbols=on] PROGRAM ...
 *
 * FILE gets the line "instructions by_lane by_vector loaded stored": one for the whole run, or one
 * for each symbol, whose name follows. Debian ships no qemu-plugin.h, so what is needed of it is
 * declared here. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define EXPORT __attribute__((visibility("default")))

/* ---- Of qemu-plugin.h ------------------------------------------------------------------------ */

typedef uint64_t plugin_id;
typedef uint32_t memory_access;
typedef struct translation translation; /* a block of guest code */
typedef struct instruction instruction;
typedef void on_translation(plugin_id, translation *);
typedef void on_access(unsigned cpu, memory_access, uint64_t address, void *user);
typedef void on_exit(plugin_id, void *user);
enum { ADD = 0, NO_REGISTERS = 0, STORES = 2 };

EXPORT int qemu_plugin_version = 1;

size_t qemu_plugin_tb_n_insns(const translation *);
instruction *qemu_plugin_tb_get_insn(const translation *, size_t index);
const void *qemu_plugin_insn_data(const instruction *);
const char *qemu_plugin_insn_symbol(const instruction *);
unsigned qemu_plugin_mem_size_shift(memory_access);
bool qemu_plugin_mem_is_store(memory_access);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation *);
void qemu_plugin_register_vcpu_tb_exec_inline(translation *, int op, void *counter, uint64_t step);
void qemu_plugin_register_vcpu_mem_cb(instruction *, on_access *, int registers, int which, void *);
void qemu_plugin_register_atexit_cb(plugin_id, on_exit *, void *user);

/* ---- Instructions ---------------------------------------------------------------------------- */

enum { INSTRUCTIONS, BY_LANE, BY_VECTOR, LOADED, STORED, KINDS };

typedef struct {
  uint32_t mask, value; /* an instruction with these bits */
  int kind;
  unsigned step; /* counts so many times */
} pattern;

/* Arm Architecture Reference Manual, C4.1; the masks leave out addressing modes and element sizes. */
static const pattern patterns[] = {
    {0xbf80f400, 0x0f801000, BY_LANE, 1},   /* fmla v, v, v[i] */
    {0xbfa0fc00, 0x0e20cc00, BY_VECTOR, 1}, /* fmla v, v, v */
    {0x3f400000, 0x3d400000, LOADED, 1},    /* ldr of b, h, s, d or q; scaled offset */
    {0x3f400000, 0x3c400000, LOADED, 1},    /* other offsets */
    {0x3f000000, 0x1c000000, LOADED, 1},    /* literal */
    {0x3e400000, 0x2c400000, LOADED, 2},    /* ldp, ldnp */
    {0xbf60f000, 0x0c407000, LOADED, 1},    /* ld1 of one register */
    {0xbf60f000, 0x0c40a000, LOADED, 2},    /* of two */
    {0xbf60f000, 0x0c406000, LOADED, 3},    /* of three */
    {0xbf60f000, 0x0c402000, LOADED, 4},    /* of four */
    {0xbf60f000, 0x0c408000, LOADED, 2},    /* ld2 */
    {0xbf60f000, 0x0c404000, LOADED, 3},    /* ld3 */
    {0xbf60f000, 0x0c400000, LOADED, 4},    /* ld4 */
    {0xbf602000, 0x0d400000, LOADED, 1},    /* ld1 of a lane, ld1r */
    {0xffffffe0, 0xd50b7420, STORED, 64},   /* dc zva: no store to qemu's callbacks */
};

/* Whether it may write memory. Calls cost time, so vector loads, the most frequent, are sorted out. */
static bool may_store(uint32_t word, unsigned loads) {
  return (word & 0x0a000000) == 0x08000000 && loads == 0;
}

/* ---- Counting -------------------------------------------------------------------------------- */

typedef struct block {
  uint64_t executed;      /* how often, counted by the translated code itself */
  uint64_t stored;        /* bytes in all */
  unsigned counts[KINDS]; /* of one execution */
  const char *symbol;     /* "" if not known */
  struct block *next;
} block;

static block *blocks;
static const char *out_path;
static bool by_symbol;

static void count_store(unsigned cpu, memory_access access, uint64_t address, void *user) {
  (void)cpu, (void)address;
  /* qemu 7.2 calls for loads too, whatever was asked of it */
  if (qemu_plugin_mem_is_store(access)) ((block *)user)->stored += UINT64_C(1) << qemu_plugin_mem_size_shift(access);
}

static void count_instruction(unsigned counts[KINDS], uint32_t word) {
  counts[INSTRUCTIONS]++;
  for (size_t i = 0; i < LENGTH(patterns); i++)
    if ((word & patterns[i].mask) == patterns[i].value) counts[patterns[i].kind] += patterns[i].step;
}

static void translated(plugin_id id, translation *code) {
  (void)id;
  block *b = malloc(sizeof *b);
  if (!b) abort();
  const char *symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(code, 0));
  *b = (block){.symbol = symbol ? symbol : "", .next = blocks};
  blocks = b;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(code); i++) {
    instruction *here = qemu_plugin_tb_get_insn(code, i);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(here), sizeof word);
    const unsigned loaded = b->counts[LOADED];
    count_instruction(b->counts, word);
    if (may_store(word, b->counts[LOADED] - loaded))
      qemu_plugin_register_vcpu_mem_cb(here, count_store, NO_REGISTERS, STORES, b);
  }
  qemu_plugin_register_vcpu_tb_exec_inline(code, ADD, &b->executed, 1);
}

/* ---- Results --------------------------------------------------------------------------------- */

static void add_block(uint64_t totals[KINDS], const block *b) {
  for (int kind = 0; kind < KINDS; kind++) totals[kind] += b->executed * b->counts[kind];
  totals[STORED] += b->stored;
}

static int order(const void *a, const void *b) {
  return strcmp((*(block *const *)a)->symbol, (*(block *const *)b)->symbol);
}

/* All blocks in the order of their symbols. */
static block **sorted(size_t *count) {
  *count = 0;
  for (block *b = blocks; b; b = b->next) ++*count;
  block **all = malloc(*count * sizeof *all);
  if (!all) abort();
  size_t i = 0;
  for (block *b = blocks; b; b = b->next) all[i++] = b;
  qsort(all, *count, sizeof *all, order);
  return all;
}

static void print_line(FILE *out, const uint64_t totals[KINDS], const char *symbol) {
  for (int kind = 0; kind < KINDS; kind++) fprintf(out, "%" PRIu64 " ", totals[kind]);
  fprintf(out, "%s\n", symbol);
}

static void finished(plugin_id id, void *user) {
  (void)id, (void)user;
  FILE *out = fopen(out_path, "w");
  if (!out) abort();
  size_t count;
  block **all = sorted(&count);
  uint64_t totals[KINDS] = {0};
  for (size_t i = 0; i < count; i++) {
    add_block(totals, all[i]);
    bool last = i + 1 == count;
    if (!last && !(by_symbol && strcmp(all[i]->symbol, all[i + 1]->symbol))) continue;
    print_line(out, totals, by_symbol ? all[i]->symbol : "");
    memset(totals, 0, sizeof totals);
  }
  if (fclose(out)) abort();
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **options) {
  (void)info;
  for (int i = 0; i < count; i++) {
    if (!strncmp(options[i], "out=", 4)) out_path = strdup(options[i] + 4);
    if (!strcmp(options[i], "symbols=on")) by_symbol = true;
  }
  if (!out_path) {
    fputs("the counting plugin needs out=FILE\n", stderr);
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
