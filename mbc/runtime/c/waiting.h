/* How threads wait for a number to change: they spin, then sleep on a futex under Linux, elsewhere on
 * a condition variable. And what they ask the system: where they run, and the time. */
#ifndef MBC_WAITING_H
#define MBC_WAITING_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifdef MBC_POOL_DELAY /* for tests: called wherever a thread may lose its CPU at a bad time */
void mbc_pool_delay(void);
#else
static void mbc_pool_delay(void) {}
#endif

/* CPUs fetch lines in pairs. */
enum { CACHE_LINE = 64, APART = 2 * CACHE_LINE };

/* A number that threads wait for to change, and how many of them sleep. */
typedef struct {
  _Alignas(APART) _Atomic uint32_t value;
  _Atomic uint32_t sleepers;
#ifndef __linux__
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
} gauge;

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

#ifdef MBC_POOL_CPUS /* for tests: so many, and every thread has one of its own */
static uint32_t allowed_cpus(void) { return MBC_POOL_CPUS; }
static int this_cpu(void) { return -1; }
#elif defined(__linux__)
static uint32_t allowed_cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? UINT32_MAX : (uint32_t)CPU_COUNT(&set);
}
static int this_cpu(void) { return sched_getcpu(); }
#else /* not known */
static uint32_t allowed_cpus(void) { return UINT32_MAX; }
static int this_cpu(void) { return -1; }
#endif

static uint64_t nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Sleepers are counted, so that a turn whose threads still spin costs no system call. Where a value
 * and the count are sequentially consistent, either the sleeper sees the new value, or the one who
 * changed it sees the sleeper. Each takes itself off the count: whoever wakes may be late, and the
 * sleeper already waits for the next value. */
#ifdef __linux__
static void set_up(gauge *g) { (void)g; }

static void sleep_while(gauge *g, uint32_t value) {
  atomic_fetch_add(&g->sleepers, 1);
  mbc_pool_delay();
  syscall(SYS_futex, (uint32_t *)&g->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
  atomic_fetch_sub(&g->sleepers, 1);
}

static void wake(gauge *g) {
  if (atomic_load(&g->sleepers))
    syscall(SYS_futex, (uint32_t *)&g->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
static void set_up(gauge *g) {
  pthread_mutex_init(&g->mutex, NULL);
  pthread_cond_init(&g->changed, NULL);
}

static void sleep_while(gauge *g, uint32_t value) {
  pthread_mutex_lock(&g->mutex);
  atomic_fetch_add(&g->sleepers, 1);
  mbc_pool_delay();
  while (atomic_load(&g->value) == value) pthread_cond_wait(&g->changed, &g->mutex);
  atomic_fetch_sub(&g->sleepers, 1);
  pthread_mutex_unlock(&g->mutex);
}

static void wake(gauge *g) {
  if (!atomic_load(&g->sleepers)) return;
  pthread_mutex_lock(&g->mutex);
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->mutex);
}
#endif

/* Whether a number is no longer `value`, or will not be within so many spins. */
static bool changes_soon(_Atomic uint32_t *number, uint32_t value, int spins) {
  for (; atomic_load(number) == value; spins--) {
    if (!spins) return false;
    relax();
  }
  return true;
}

#endif
