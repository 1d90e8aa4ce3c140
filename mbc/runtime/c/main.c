/* The stand-alone program around one compiled network: reads tensors or a photo, runs the network,
 * writes tensors, a ranking or times. Results go to stdout, everything else to stderr.
 * Exit code 0: done; 1: a file could not be used; 2: the command line makes no sense. */
#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_RANK = 8, MAX_RUNS = 10000, MAX_HEADER = 65535, MAX_PATH = 4096, SUMMARY_TOP = 5 };

typedef struct {
  const char *name;
  size_t rank;
  size_t shape[MAX_RANK];
  size_t count;
  unsigned type; /* MBC_F32, or of inputs MBC_U8, of outputs MBC_S32 */
  void *data;
} tensor;

typedef struct {
  const char *head; /* its name, op and shape as JSON */
  double macs, bytes;
  size_t peak; /* which of `peaks` it may reach */
} layer;

typedef struct {
  const char *name;
  void (*task)(void *context, uint32_t thread, uint32_t begin, uint32_t end);
  double operations; /* of one thread in one run */
} peak;

/* For size: none of this takes long, and a board's programs are to be small. What does the work is
 * made for speed: the network, the pool and, for their flags are the link's, memcpy and memset. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("Os")
#endif

#include "mbc_net.h"
#include "subnormals.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(sizeof(float) == 4, "tensors are f4");

enum { ELEMENT = 4 }; /* bytes of an element that is no byte */

/* Whether elements are bytes, as those of some inputs may be. */
#ifdef MBC_BYTES
static bool is_byte(const tensor *t) { return t->type == MBC_U8; }
#else
static bool is_byte(const tensor *t) {
  (void)t;
  return false;
}
#endif

static size_t size_of(const tensor *t) { return t->count * (is_byte(t) ? 1 : ELEMENT); }

/* Whether elements are integers, as those of some outputs may be. */
#ifdef MBC_INTEGERS
static bool is_integer(const tensor *t) { return t->type == MBC_S32; }
#else
static bool is_integer(const tensor *t) {
  (void)t;
  return false;
}
#endif

/* A double holds every element of an output. */
static double element_of(const tensor *t, size_t i) {
  return is_integer(t) ? ((const int32_t *)t->data)[i] : (double)((const float *)t->data)[i];
}

static _Alignas(64) unsigned char arena[MBC_NET_MEMORY];

typedef struct {
  const char *inputs[LENGTH(inputs)];
  const char *outputs[LENGTH(outputs)];
  size_t input_count, output_count;
  size_t top, runs;
  const char *weights, *profile;
} options;

/* ---- Errors ---------------------------------------------------------------------------------- */

/* Those of mbc; `mbc explain` says what they mean. */
#define USAGE "E0101"
#define UNREADABLE "E0701"
#define UNWRITABLE "E0703"
#define BAD_NPY "E0704"
#define BAD_IMAGE "E0705"
#define NO_IMAGE "E0706"
#define MISFIT "E0710"
#define BUG "E0901"

static void complain(const char *code, const char *subject, const char *format,
                     va_list arguments) {
  fprintf(stderr, "error[%s]: %s%s", code, subject, *subject ? ": " : "");
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

/* One line that names the code and the file; false, so that a reader can return it. */
static bool fail(const char *code, const char *path, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain(code, path, format, arguments);
  va_end(arguments);
  return false;
}

#include "cpu.h"
#include "threads.h"
#include "weights.h"

static void print_usage(FILE *to) {
  fputs("usage: " MBC_NET_NAME, to);
  for (size_t i = 0; i < LENGTH(inputs); i++) fprintf(to, " --input %s.npy", inputs[i].name);
  fputs(" [--output FILE.npy] [--top K] [--bench N]\n", to);
}

static _Noreturn void exit_with_usage(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain(USAGE, "", format, arguments);
  va_end(arguments);
  print_usage(stderr);
  exit(2);
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* As Python prints it, "(1, 224, 224, 3)", into `text`, which holds any shape. */
typedef char shape_text[MAX_RANK * 22 + 4];

static const char *format_shape(const tensor *t, shape_text text) {
  char *end = text + sprintf(text, "(");
  for (size_t i = 0; i < t->rank; i++) end += sprintf(end, i ? ", %zu" : "%zu", t->shape[i]);
  sprintf(end, t->rank == 1 ? ",)" : ")");
  return text;
}

/* The axes of an image: its channels come last, or first where the configuration says so. */
#ifdef MBC_NCHW
enum { CHANNELS = 1, HEIGHT, WIDTH };
#define LAYOUT "NCHW at the inputs"
#else
enum { HEIGHT = 1, WIDTH, CHANNELS };
#define LAYOUT "NHWC"
#endif

static bool is_image(const tensor *t) {
  return t->rank == 4 && t->shape[0] == 1 && t->shape[CHANNELS] == 3;
}

#include "inputs.h"

/* ---- Writing files --------------------------------------------------------------------------- */

static bool write_npy(FILE *file, const void *what) {
  const tensor *from = what;
  char header[512]; /* the tensor starts at a multiple of 64 bytes, as numpy aligns it */
  shape_text text;
  int length = sprintf(header + 10, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                       is_integer(from) ? "<i4" : "<f4", format_shape(from, text));
  size_t total = (10 + (size_t)length + 1 + 63) / 64 * 64;
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = (char)((total - 10) & 255);
  header[9] = (char)((total - 10) >> 8);
  memset(header + 10 + length, ' ', total - 10 - (size_t)length);
  header[total - 1] = '\n';
  return fwrite(header, 1, total, file) == total &&
         fwrite(from->data, ELEMENT, from->count, file) == from->count;
}

typedef bool writer(FILE *file, const void *what);

static bool write_file(const char *path, writer *write, const void *what) {
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  bool good = write(file, what);
  return !fclose(file) && good;
}

/* A reader sees the whole file or none: it is written beside and renamed. A device or a pipe
 * cannot be replaced, and is written straight. */
static bool write_output(const char *path, writer *write, const void *what) {
  char beside[MAX_PATH];
  struct stat status;
  bool direct = !stat(path, &status) && !S_ISREG(status.st_mode);
  if (snprintf(beside, sizeof beside, direct ? "%s" : "%s.part", path) >= (int)sizeof beside)
    return fail(UNWRITABLE, path, "%s", strerror(ENAMETOOLONG));
  if (write_file(beside, write, what) && (direct || !rename(beside, path))) return true;
  int reason = errno;
  if (!direct) remove(beside);
  return fail(UNWRITABLE, path, "%s", strerror(reason));
}

#include "printing.h"

/* ---- Running --------------------------------------------------------------------------------- */

static bool run_once(void) {
  uint32_t control = mbc_flush_subnormals();
  int status = run_net(memory, pool);
  mbc_adopt(control);
  return !status || fail(BUG, MBC_NET_NAME, "the network returned %d", status);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int compare_times(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts the times too: the least comes first. */
static double median_of(double *times, size_t count) {
  qsort(times, count, sizeof times[0], compare_times);
  return (times[(count - 1) / 2] + times[count / 2]) / 2;
}

static bool bench(size_t runs) {
  static double times[MAX_RUNS];
  for (size_t i = 0; i < runs; i++) {
    double start = now_ms();
    if (!run_once()) return false;
    times[i] = now_ms() - start;
  }
  double median = median_of(times, runs);
  printf("min %.6g ms, median %.6g ms, %zu runs, %zu thread%s\n", times[0], median, runs,
         team.threads, team.threads > 1 ? "s" : "");
  return true;
}

#include "profile.h"

static bool show_results(const options *o) {
  for (size_t i = 0; i < o->output_count; i++)
    if (!write_output(o->outputs[i], write_npy, &outputs[i])) return false;
  if (o->top)
    for (size_t i = 0; i < LENGTH(outputs); i++) print_ranking(&outputs[i], o->top);
  if (!o->output_count && !o->top && !o->runs && !o->profile)
    for (size_t i = 0; i < LENGTH(outputs); i++) print_summary(&outputs[i]);
  return true;
}

/* ---- Command line ---------------------------------------------------------------------------- */

static const char *type_name(const tensor *t) {
  return is_integer(t) ? "int32" : is_byte(t) ? "uint8" : "float32";
}

static void print_shapes(const char *role, const tensor *tensors, size_t count) {
  shape_text text;
  for (size_t i = 0; i < count; i++)
    printf("  %s %s: %s %s\n", role, tensors[i].name, type_name(&tensors[i]),
           format_shape(&tensors[i], text));
}

#ifdef MBC_PHOTOS
#define PHOTOS_HELP \
  "                 of a photo: what \"mbc preprocess\" makes with\n" \
  "                 " MBC_PHOTOS "\n"
#elif defined(MBC_BYTES)
#define PHOTOS_HELP \
  "                 .ppm: binary (P6) RGB of exactly that size; of uint8 its bytes\n" \
  "                 .raw: the bytes of a uint8 tensor, and nothing else\n"
#else
#define PHOTOS_HELP "                 .ppm: binary (P6) RGB of exactly that size; value/127.5 - 1\n"
#endif

static void print_help(void) {
  print_usage(stdout);
  puts("\nRuns the network " MBC_NET_NAME MBC_NET_BUILD " on one thread. Images are " LAYOUT ".\n");
  print_shapes("input ", inputs, LENGTH(inputs));
  print_shapes("output", outputs, LENGTH(outputs));
  puts("\n  --input FILE   .npy: a tensor of the type and shape above\n"
       PHOTOS_HELP
       "                 once for each input, in order\n"
       "  --output FILE  write .npy; once for each output, in order\n"
       "  --top K        print \"rank index value\" of the K largest along the last axis\n"
       "  --bench N      run N times; print minimum and median in milliseconds");
  fputs(profile_help, stdout);
  fputs(threads_help, stdout);
  fputs(weights_help, stdout);
  puts("  --help         print this\n"
       "\nWithout these it prints a summary.");
}

static size_t parse_count(const char *option, const char *text, size_t most) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < 1 || (unsigned long)value > most)
    exit_with_usage("%s needs a number from 1 to %zu, not '%s'", option, most, text);
  return (size_t)value;
}

static void add_path(const char **paths, size_t *count, size_t most, const char *path,
                     const char *role) {
  if (*count == most)
    exit_with_usage("more %ss than the network has (%zu): '%s'", role, most, path);
  paths[(*count)++] = path;
}

static void set_option(options *o, const char *name, const char *value) {
  if (!strcmp(name, "--input"))
    add_path(o->inputs, &o->input_count, LENGTH(inputs), value, "input");
  else if (!strcmp(name, "--output"))
    add_path(o->outputs, &o->output_count, LENGTH(outputs), value, "output");
  else if (is_weights_option(name))
    o->weights = value;
  else if (is_profile_option(name))
    o->profile = value;
  else if (!strcmp(name, "--threads"))
    team.threads = parse_count(name, value, MAX_THREADS);
  else if (!strcmp(name, "--cpus")) {
    if (!parse_cpus(value, &team))
      exit_with_usage("--cpus needs CPUs such as 4-7, or big, or little, not '%s'", value);
  } else if (!strcmp(name, "--top"))
    o->top = parse_count(name, value, 1000000);
  else
    o->runs = parse_count(name, value, MAX_RUNS);
}

static bool takes_value(const char *option) {
  static const char *const names[] = {"--input", "--output", "--top", "--bench"};
  for (size_t i = 0; i < LENGTH(names); i++)
    if (!strcmp(option, names[i])) return true;
  return is_weights_option(option) || is_threads_option(option) || is_profile_option(option);
}

static options parse_options(int count, char **words) {
  options o = {0};
  for (int i = 1; i < count; i++) {
    if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) {
      print_help();
      exit(fflush(stdout) ? 1 : 0);
    }
    const char *name = words[i];
    char *value = strchr(name, '='); /* "--top=5" and "--top 5" are the same */
    if (value) *value++ = '\0';
    if (!takes_value(name)) exit_with_usage("unknown option '%s'", name);
    if (!value) value = words[++i];
    if (!value) exit_with_usage("%s needs a value", name);
    set_option(&o, name, value);
  }
  if (o.input_count < LENGTH(inputs))
    exit_with_usage("no --input for %s", inputs[o.input_count].name);
  return o;
}

int main(int count, char **words) {
  if (!check_cpu()) return 1;
  const options o = parse_options(count, words);
  if (!gather_threads()) return 1;
  if (!find_weights(o.weights, words[0])) return 1;
  for (size_t i = 0; i < LENGTH(inputs); i++)
    if (!read_input(o.inputs[i], &inputs[i])) return 1;
  if (!run_once() || (o.runs && !bench(o.runs))) return 1;
  if ((o.profile && !profile_into(o.profile, o.runs)) || !show_results(&o)) return 1;
  if (fflush(stdout) || ferror(stdout)) return !fail(UNWRITABLE, "stdout", "%s", strerror(errno));
  return 0;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
