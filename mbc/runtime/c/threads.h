/* The threads of the stand-alone program: how many, and on which CPUs. Part of main.c. */
#include <sched.h>

#include "pool.h"

#define NO_THREADS "E0606"

enum { MAX_THREADS = 256 };

static const char threads_help[] =
    "  --threads N    run on N threads; 1 by default\n"
    "  --cpus LIST    pin thread i to the i-th of these CPUs, such as 4-7 or 0,2;\n"
    "                 as many threads as CPUs, unless --threads says otherwise\n";

typedef struct {
  size_t threads;
  int cpus[MAX_THREADS];
  size_t cpu_count;
} crew;

static crew team = {.threads = 0};
static mbc_pool *pool;
static void *memory = arena;

static bool is_threads_option(const char *option) {
  return !strcmp(option, "--threads") || !strcmp(option, "--cpus");
}

/* "0,2,4-7": false unless all of it is numbers below CPU_SETSIZE, ranges rising. */
static bool parse_cpus(const char *text, crew *c) {
  do {
    char *end;
    long first = strtol(text, &end, 10), last = first;
    if (end == text || first < 0) return false;
    if (*end == '-') {
      text = end + 1;
      last = strtol(text, &end, 10);
      if (end == text) return false;
    }
    if (last < first || last > 65535) return false;
    for (long cpu = first; cpu <= last; cpu++) {
      if (c->cpu_count == MAX_THREADS) return false;
      c->cpus[c->cpu_count++] = (int)cpu;
    }
    text = end;
  } while (*text++ == ',');
  return text[-1] == '\0';
}

/* Start the threads and find them memory. */
static bool gather_threads(void) {
  if (!team.threads) team.threads = team.cpu_count ? team.cpu_count : 1;
  if (team.cpu_count && team.cpu_count != team.threads)
    return fail(NO_THREADS, "--cpus", "%zu CPUs for %zu threads", team.cpu_count, team.threads);
  if (team.threads == 1 && !team.cpu_count) return true;
  pool = mbc_pool_create((uint32_t)team.threads, team.cpu_count ? team.cpus : NULL);
  if (!pool) return fail(NO_THREADS, "--threads", "%zu threads cannot be started", team.threads);
  size_t bytes = net_memory((int)team.threads);
  memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  return memory || fail(NO_THREADS, "--threads", "no memory for %zu threads", team.threads);
}
