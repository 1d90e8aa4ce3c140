/* The time of each kernel in its place in the network, and what the machine could do at most, as
 * `mbc profile` measures them. Part of main.c; mbc_net.h says what the kernels compute. */
#ifdef MBC_PROFILE_HEAD

#include "meter.h"

enum { PROFILE_ROUNDS = 20, LINE_BYTES = 64, LEAST_BYTES = 1 << 20, STREAM_BLOCK = 1024 };

static const char profile_help[] =
    "  --profile FILE time each kernel, in as many rounds as --bench says, else 20,\n"
    "                 and write that as JSON\n";

/* The time of a step, and how long each thread has computed until then. */
typedef struct {
  double at, busy[MAX_THREADS];
} step;

static step steps[LENGTH(layers) + 1];
static double layer_ms[LENGTH(layers)][MAX_RUNS];
static double idle_ms[LENGTH(layers)][MAX_RUNS]; /* of the mean thread, while the longest computes */
static double pool_ms[LENGTH(layers)][MAX_RUNS]; /* while none does */
static double whole_ms[MAX_RUNS];
static meter meter_of_pool;
static lap laps[MAX_THREADS];

typedef struct {
  size_t rounds;
  double gflops[LENGTH(peaks)], gbs; /* the highest rates of all threads together */
} profile;

/* Not fmax: glibc has that in a library of its own, which no link here asks for. */
static double larger(double a, double b) { return a > b ? a : b; }

static void tick(void *clock, uint32_t number) {
  step *s = (step *)clock + number;
  for (size_t i = 0; i < team.threads; i++) s->busy[i] = laps[i].busy;
  s->at = now_ms();
}

/* A layer that the pool did not deal out was computed by one thread. */
static void split_time(size_t i, size_t round) {
  const step *from = &steps[i], *to = from + 1;
  double ms = to->at - from->at, most = 0, sum = 0;
  for (size_t t = 0; t < team.threads; t++) {
    double busy = to->busy[t] - from->busy[t];
    most = larger(most, busy), sum += busy;
  }
  if (sum == 0) most = sum = ms;
  layer_ms[i][round] = ms;
  idle_ms[i][round] = most - sum / (double)team.threads;
  pool_ms[i][round] = larger(ms - most, 0);
}

/* Thousand millions of `work` a second that the threads do in `count` tasks. */
static double rate(mbc_task task, void *context, size_t count, double work) {
  double start = now_ms();
  if (pool)
    pool->run(pool, task, context, (uint32_t)count, 1);
  else
    task(context, 0, 0, (uint32_t)count);
  return work / ((now_ms() - start) * 1e6);
}

static double peak_rate(const peak *of) {
  static _Alignas(LINE_BYTES) unsigned char registers[MAX_THREADS][MBC_PEAK_BYTES];
  return rate(of->task, registers, team.threads, (double)team.threads * of->operations);
}

/* Of reading the weights, or what has as many bytes as can be timed. */
static double stream_rate(void) {
  static unsigned char others[MBC_WEIGHTS_SIZE < LEAST_BYTES ? LEAST_BYTES : 1];
  static union {
    const void *data;
    unsigned char line[LINE_BYTES];
  } context[MAX_THREADS + 1];
  size_t bytes = sizeof others > 1 ? sizeof others : MBC_WEIGHTS_SIZE;
  memset(others, 1, sizeof others); /* pages that were never written to are all the same one */
  context[0].data = sizeof others > 1 ? others : packed_weights();
  size_t blocks = bytes / STREAM_BLOCK;
  return rate(stream_task, context, blocks, (double)(blocks * STREAM_BLOCK));
}

static bool take_round(profile *p, size_t round) {
  if (!run_once()) return false; /* to have the caches warm */
  uint32_t control = mbc_flush_subnormals();
  if (pool) meter_set(&meter_of_pool, pool, now_ms, laps);
  profile_net(memory, pool ? &meter_of_pool.pool : NULL, tick, steps);
  mbc_adopt(control);
  for (size_t i = 0; i < LENGTH(layers); i++) split_time(i, round);
  double start = now_ms();
  if (!run_once()) return false;
  whole_ms[round] = now_ms() - start;
  for (size_t i = 0; i < LENGTH(peaks); i++)
    p->gflops[i] = larger(p->gflops[i], peak_rate(&peaks[i]));
  p->gbs = larger(p->gbs, stream_rate());
  return true;
}

static void write_layer(FILE *file, const profile *p, size_t i) {
  const layer *l = &layers[i];
  double ms = larger(median_of(layer_ms[i], p->rounds), 1e-6); /* a clock may be coarse */
  double gflops = 2 * l->macs / ms / 1e6, gbs = l->bytes / ms / 1e6;
  double share = gflops / p->gflops[l->peak], memory_share = gbs / p->gbs;
  fprintf(file,
          "    {\n      %s,\n"
          "      \"ms\": %.5f, \"ms_min\": %.5f, \"imbalance_ms\": %.5f, \"pool_ms\": %.5f,\n"
          "      \"macs\": %.0f, \"gflops\": %.2f,\n"
          "      \"peak_fraction\": %.4f, \"bytes\": %.0f, \"gbs\": %.2f, \"intensity\": %.3f,\n"
          "      \"bound\": \"%s\", \"roof_fraction\": %.4f\n    }%s\n",
          l->head, ms, larger(layer_ms[i][0], 1e-6), median_of(idle_ms[i], p->rounds),
          median_of(pool_ms[i], p->rounds), l->macs, gflops, share, l->bytes, gbs,
          2 * l->macs / l->bytes, share >= memory_share ? "compute" : "memory",
          larger(share, memory_share), i + 1 < LENGTH(layers) ? "," : "");
}

static double sum_of_medians(double (*ms)[MAX_RUNS], size_t rounds) {
  double sum = 0;
  for (size_t i = 0; i < LENGTH(layers); i++) sum += median_of(ms[i], rounds);
  return sum;
}

/* GFLOP/s of the whole network if each layer reached its peak. */
static double whole_peak(const profile *p) {
  double macs = 0, time = 0;
  for (size_t i = 0; i < LENGTH(layers); i++)
    macs += layers[i].macs, time += layers[i].macs / p->gflops[layers[i].peak];
  return time > 0 ? macs / time : p->gflops[0];
}

static void write_peaks(FILE *file, const profile *p, double threads) {
  for (size_t i = 0; i < LENGTH(peaks); i++)
    fprintf(file, "%s\"%s\": %.2f", i ? ", " : "", peaks[i].name, p->gflops[i] / threads);
}

static bool write_json(FILE *file, const void *what) {
  const profile *p = what;
  double threads = (double)team.threads, median = median_of(whole_ms, p->rounds);
  double sum = sum_of_medians(layer_ms, p->rounds);
  double gflops = 2 * MBC_NET_MACS / whole_ms[0] / 1e6;
  fprintf(file,
          "{\n" MBC_PROFILE_HEAD
          "  \"threads\": %zu,\n  \"rounds\": %zu,\n"
          "  \"ms_min\": %.5f,\n  \"ms_median\": %.5f,\n  \"ms_kernels\": %.5f,\n"
          "  \"imbalance_ms\": %.5f,\n  \"pool_ms\": %.5f,\n"
          "  \"gflops\": %.2f,\n  \"peak_fraction\": %.4f,\n"
          "  \"peak\": \"%s\",\n  \"peak_gflops\": %.2f,\n  \"peaks\": {",
          team.threads, p->rounds, whole_ms[0], median, sum, sum_of_medians(idle_ms, p->rounds),
          sum_of_medians(pool_ms, p->rounds), gflops, gflops / whole_peak(p),
          peaks[0].name, p->gflops[0] / threads);
  write_peaks(file, p, threads);
  fprintf(file, "},\n  \"memory_gbs\": %.2f,\n  \"layers\": [\n", p->gbs);
  for (size_t i = 0; i < LENGTH(layers); i++) write_layer(file, p, i);
  fputs("  ]\n}\n", file);
  return !ferror(file);
}

static bool profile_into(const char *path, size_t rounds) {
  profile p = {.rounds = rounds ? rounds : PROFILE_ROUNDS};
  for (size_t round = 0; round < p.rounds; round++)
    if (!take_round(&p, round)) return false;
  return write_output(path, write_json, &p);
}

static bool is_profile_option(const char *option) { return !strcmp(option, "--profile"); }

#else

static const char profile_help[] = "";
static bool profile_into(const char *path, size_t rounds) { return !path || !rounds; }
static bool is_profile_option(const char *option) { return !option; }

#endif
