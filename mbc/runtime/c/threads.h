/* The threads of the stand-alone program: how many, and on which CPUs. Part of main.c. */
#include <limits.h>
#include <sched.h>

#include "pool.h"

#define NO_THREADS "E0606"

#ifndef CPU_FOLDER /* what Linux tells of each CPU; tests have a folder of their own */
#define CPU_FOLDER "/sys/devices/system/cpu"
#endif

enum { MAX_THREADS = 256 };

static const char threads_help[] =
    "  --threads N    run on N threads; 1 by default\n"
    "  --cpus LIST    pin thread i to the i-th of these CPUs, such as 4-7 or 0,2; or to\n"
    "                 the big or the little ones, by these words; as many threads as CPUs,\n"
    "                 unless --threads says otherwise\n";

typedef struct {
  size_t threads;
  int cpus[MAX_THREADS];
  size_t cpu_count;
  const char *cluster; /* "big" or "little" if CPUs are to be found by that */
} crew;

static crew team = {.threads = 0};
static mbc_pool *pool;
static void *memory = arena;

static bool is_threads_option(const char *option) {
  return !strcmp(option, "--threads") || !strcmp(option, "--cpus");
}

/* "big", "little" or "0,2,4-7": false unless all of it is numbers below CPU_SETSIZE, ranges rising. */
static bool parse_cpus(const char *text, crew *c) {
  bool named = !strcmp(text, "big") || !strcmp(text, "little");
  c->cluster = named ? text : NULL;
  c->cpu_count = 0;
  if (named) return true;
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

/* How fast a CPU is by one measure of the system's; negative if it does not say. */
static long cpu_speed(int cpu, const char *measure) {
  char path[MAX_PATH];
  long speed = -1;
  snprintf(path, sizeof path, "%s/cpu%d/%s", CPU_FOLDER, cpu, measure);
  FILE *file = fopen(path, "r");
  if (!file) return -1;
  if (fscanf(file, "%ld", &speed) != 1) speed = -1;
  fclose(file);
  return speed;
}

/* The CPUs that we may run on, as many as a team can have. */
static size_t allowed_cpus(int *cpus) {
  size_t count = 0;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < MAX_THREADS; cpu++)
    if (CPU_ISSET((size_t)cpu, &set)) cpus[count++] = cpu;
#else
  (void)cpus;
#endif
  return count;
}

/* The speeds of CPUs by the first measure that tells of all of them. */
static bool find_speeds(const int *cpus, size_t count, long *speeds) {
  static const char *const measures[] = {"cpu_capacity", "cpufreq/cpuinfo_max_freq"};
  for (size_t m = 0; m < LENGTH(measures); m++) {
    size_t known = 0;
    while (known < count && (speeds[known] = cpu_speed(cpus[known], measures[m])) >= 0) known++;
    if (count && known == count) return true;
  }
  return false;
}

/* The little CPUs are the slowest ones, all others are big. The fastest come first. */
static bool find_cluster(crew *c) {
  int cpus[MAX_THREADS];
  long speeds[MAX_THREADS], least = 0, below;
  size_t count = allowed_cpus(cpus);
  if (!find_speeds(cpus, count, speeds))
    return fail(NO_THREADS, "--cpus", "the CPUs do not tell how fast they are; name them");
  for (size_t i = 0; i < count; i++)
    if (!i || speeds[i] < least) least = speeds[i];
  bool big = !strcmp(c->cluster, "big");
  for (long bound = LONG_MAX; bound >= 0; bound = below) {
    below = -1; /* the highest speed below the bound */
    for (size_t i = 0; i < count; i++)
      if (speeds[i] < bound && speeds[i] > below) below = speeds[i];
    for (size_t i = 0; i < count; i++)
      if (speeds[i] == below && (below > least) == big) c->cpus[c->cpu_count++] = cpus[i];
  }
  if (c->cpu_count && c->cpu_count < count) return true;
  return fail(NO_THREADS, "--cpus", "the CPUs are all alike; name them");
}

/* As many CPUs of the cluster as there are to be threads. */
static bool take_cluster(crew *c) {
  if (!find_cluster(c)) return false;
  if (c->threads > c->cpu_count)
    return fail(NO_THREADS, "--cpus", "%zu threads on %zu %s CPUs", c->threads, c->cpu_count,
                c->cluster);
  if (c->threads) c->cpu_count = c->threads;
  return true;
}

/* Whether a thread can be pinned to each of the CPUs, found by pinning this one for a moment. */
static bool check_cpus(const crew *c) {
#ifdef __linux__
  cpu_set_t before, set;
  if (sched_getaffinity(0, sizeof before, &before)) return true;
  for (size_t i = 0; i < c->cpu_count; i++) {
    bool listed = c->cpus[i] < CPU_SETSIZE;
    CPU_ZERO(&set);
    if (listed) CPU_SET((size_t)c->cpus[i], &set);
    if (!listed || sched_setaffinity(0, sizeof set, &set))
      return fail(NO_THREADS, "--cpus", "this process may not run on CPU %d", c->cpus[i]);
    sched_setaffinity(0, sizeof before, &before);
  }
  return true;
#else
  return !c->cpu_count || fail(NO_THREADS, "--cpus", "this system does not pin threads to CPUs");
#endif
}

/* Start the threads and find them memory. */
static bool gather_threads(void) {
  if (team.cluster && !take_cluster(&team)) return false;
  if (!team.threads) team.threads = team.cpu_count ? team.cpu_count : 1;
  if (team.cpu_count && team.cpu_count != team.threads)
    return fail(NO_THREADS, "--cpus", "%zu CPUs for %zu threads", team.cpu_count, team.threads);
  if (team.threads == 1 && !team.cpu_count) return true;
  if (!check_cpus(&team)) return false;
  pool = mbc_pool_create((uint32_t)team.threads, team.cpu_count ? team.cpus : NULL);
  if (!pool) return fail(NO_THREADS, "--threads", "%zu threads cannot be started", team.threads);
  size_t bytes = net_memory((int)team.threads);
  memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  return memory || fail(NO_THREADS, "--threads", "no memory for %zu threads", team.threads);
}
