/* Whether this CPU has what the network's code may use, asked before any of that runs. Part of main.c,
 * and like all of it compiled for every CPU of its kind. What is asked stands in mbc_net.h:
 * MBC_CPU_TARGETS, the target's name and those of others that need less, and MBC_CPU_NEEDS, a row for
 * each feature of one of them. */
#ifdef MBC_CPU_NEEDS

#define NO_FEATURE "E0728"

typedef struct {
  size_t target; /* index of who needs it */
  const char *name;
#ifdef __APPLE__
  const char *key; /* of sysctl */
#else
  unsigned word, part, bit; /* x86: leaf and register of CPUID; Arm: AT_HWCAP or AT_HWCAP2, and 0 */
  unsigned state;           /* x86: bits of XCR0 that the system must have set */
  unsigned subleaf;         /* x86: of the leaf */
#endif
} feature;

#if defined(__APPLE__)
#include <sys/sysctl.h>

/* A system that does not know the name has no say. */
static bool has_feature(const feature *f) {
  int value = 1;
  size_t size = sizeof value;
  return sysctlbyname(f->key, &value, &size, NULL, 0) || value;
}

#elif defined(__x86_64__)
#include <cpuid.h>

static unsigned enabled_state(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0; /* no XGETBV */
  __asm__ volatile(".byte 0x0F, 0x01, 0xD0" : "=a"(a), "=d"(d) : "c"(0)); /* it */
  return a;
}

static bool has_feature(const feature *f) {
  unsigned words[4];
  return __get_cpuid_count(f->word, f->subleaf, &words[0], &words[1], &words[2], &words[3]) &&
         words[f->part] >> f->bit & 1 && !(f->state & ~enabled_state());
}

#else
#include <sys/auxv.h>

static bool has_feature(const feature *f) { return getauxval(f->word) >> f->bit & 1; }

#endif

static const char *missing_feature(size_t target) {
  static const feature needs[] = MBC_CPU_NEEDS;
  for (size_t i = 0; i < LENGTH(needs); i++)
    if (needs[i].target == target && !has_feature(&needs[i])) return needs[i].name;
  return NULL;
}

static bool check_cpu(void) {
  static const char *const targets[] = MBC_CPU_TARGETS;
  const char *missing = missing_feature(0), *advice = "", *other = "";
  if (!missing) return true;
  for (size_t i = 1; i < LENGTH(targets) && !*other; i++)
    if (!missing_feature(i)) advice = "; compile with --target ", other = targets[i];
  return fail(NO_FEATURE, "", "this CPU lacks %s, which code for %s may use%s%s",
              missing, targets[0], advice, other);
}

#else
static bool check_cpu(void) { return true; }
#endif
