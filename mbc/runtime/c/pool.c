/* Fork and join: idle threads spin for some microseconds, since kernels follow one another closely,
 * then sleep: on a futex under Linux, elsewhere on a condition variable. */
#define _GNU_SOURCE

#include "pool.h"
#include "subnormals.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { SPINS = 2000, CACHE_LINE = 64 };

typedef struct team team;

typedef struct {
  team *team;
  pthread_t handle;
  uint32_t number;
} worker;

struct team {
  mbc_pool pool; /* first: a team is a pool */
  mbc_task task;
  void *context;
  uint32_t count;
  uint32_t control; /* how the caller computes, and so do all in its turn */
  bool quit;
  uint32_t started;
  _Alignas(CACHE_LINE) _Atomic uint32_t turn; /* changes when there is work */
  _Alignas(CACHE_LINE) _Atomic uint32_t busy; /* threads that have not finished this turn */
  _Alignas(CACHE_LINE) _Atomic uint32_t sleepers;
#ifndef __linux__
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
  worker workers[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

/* Sleepers are counted, so that a turn whose threads still spin costs no system call. The counts and
 * the words they guard are sequentially consistent: either the sleeper sees the new word, or the one
 * who changed it sees the sleeper. */
#ifdef __linux__
static void sleep_while(team *t, _Atomic uint32_t *word, uint32_t value) {
  atomic_fetch_add(&t->sleepers, 1);
  syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
  atomic_fetch_sub(&t->sleepers, 1);
}

static void wake(team *t, _Atomic uint32_t *word) {
  if (atomic_load(&t->sleepers))
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
static void sleep_while(team *t, _Atomic uint32_t *word, uint32_t value) {
  pthread_mutex_lock(&t->mutex);
  atomic_fetch_add(&t->sleepers, 1);
  while (atomic_load(word) == value) pthread_cond_wait(&t->changed, &t->mutex);
  atomic_fetch_sub(&t->sleepers, 1);
  pthread_mutex_unlock(&t->mutex);
}

static void wake(team *t, _Atomic uint32_t *word) {
  (void)word;
  if (!atomic_load(&t->sleepers)) return;
  pthread_mutex_lock(&t->mutex);
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->mutex);
}
#endif

/* Wait until *word is no longer `value`; its new value. */
static uint32_t await_change(team *t, _Atomic uint32_t *word, uint32_t value) {
  for (int spins = 0;; spins++) {
    uint32_t now = atomic_load(word);
    if (now != value) return now;
    if (spins < SPINS)
      relax();
    else
      sleep_while(t, word, value);
  }
}

static void do_share(team *t, uint32_t number) {
  uint64_t count = t->count, threads = t->pool.threads;
  uint32_t begin = (uint32_t)(count * number / threads);
  uint32_t end = (uint32_t)(count * (number + 1) / threads);
  if (begin < end) t->task(t->context, number, begin, end);
}

static bool pin(pthread_t thread, int cpu) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  CPU_SET((size_t)cpu, &set);
  return pthread_setaffinity_np(thread, sizeof set, &set) == 0;
#else
  (void)thread, (void)cpu;
  return false;
#endif
}

static void *work(void *argument) {
  worker *self = argument;
  team *t = self->team;
  uint32_t turn = 0;
  for (;;) {
    turn = await_change(t, &t->turn, turn);
    if (t->quit) return NULL;
    mbc_adopt(t->control);
    do_share(t, self->number);
    if (atomic_fetch_sub(&t->busy, 1) == 1) wake(t, &t->busy);
  }
}

static void next_turn(team *t) {
  atomic_fetch_add(&t->turn, 1);
  wake(t, &t->turn);
}

static void run(mbc_pool *pool, mbc_task task, void *context, uint32_t count) {
  team *t = (team *)pool;
  t->task = task, t->context = context, t->count = count, t->control = mbc_control();
  atomic_store(&t->busy, pool->threads - 1);
  if (pool->threads > 1) next_turn(t);
  do_share(t, 0);
  for (uint32_t left; (left = atomic_load(&t->busy)) != 0;) await_change(t, &t->busy, left);
}

/* Thread `number` of the team, pinned if asked for; the first one is the caller. */
static bool start(team *t, uint32_t number, const int *cpus) {
  worker *w = &t->workers[number];
  *w = (worker){.team = t, .number = number, .handle = pthread_self()};
  if (number > 0) {
    if (pthread_create(&w->handle, NULL, work, w) != 0) return false;
    t->started++;
  }
  return !cpus || pin(w->handle, cpus[number]);
}

mbc_pool *mbc_pool_create(uint32_t threads, const int *cpus) {
  if (threads == 0) return NULL;
  size_t bytes = sizeof(team) + threads * sizeof(worker);
  team *t = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (!t) return NULL;
  *t = (team){.pool = {run, threads}};
#ifndef __linux__
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->changed, NULL);
#endif
  for (uint32_t i = 0; i < threads; i++)
    if (!start(t, i, cpus)) {
      mbc_pool_destroy(&t->pool);
      return NULL;
    }
  return &t->pool;
}

void mbc_pool_destroy(mbc_pool *pool) {
  team *t = (team *)pool;
  if (!t) return;
  t->quit = true;
  next_turn(t);
  for (uint32_t i = 1; i <= t->started; i++) pthread_join(t->workers[i].handle, NULL);
  free(t);
}
