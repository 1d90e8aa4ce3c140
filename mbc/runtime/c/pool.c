/* Fork and join without waiting for who comes late. Each thread has a share of a turn's tasks, and
 * takes what others have not begun when its own is done; the caller waits only for ranges that are
 * being run, so a thread that gets no CPU holds nobody up. Idle threads spin for some microseconds,
 * since kernels follow one another closely, then sleep: on a futex under Linux, elsewhere on a
 * condition variable. */
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

/* A number that threads wait for to change, and how many of them sleep. */
typedef struct {
  _Alignas(CACHE_LINE) _Atomic uint32_t value;
  _Atomic uint32_t sleepers;
} gauge;

typedef struct {
  uint32_t first, end;
} range;

typedef struct {
  /* The units of its share that nobody has begun, as one word: first << 32 | end. */
  _Alignas(CACHE_LINE) _Atomic uint64_t share;
  team *team;
  pthread_t handle;
  uint32_t number;
} member;

/* Tasks are dealt out in units: unit u is the tasks from count * u / units to count * (u+1) / units.
 * What a turn is about is written before its shares, and read by who has got a range of one: until
 * that is done the turn does not end. */
struct team {
  mbc_pool pool; /* first: a team is a pool */
  mbc_task task;
  void *context;
  uint32_t count, units;
  uint32_t control; /* how the caller computes, and so do all in its turn */
  uint32_t started;
  _Atomic bool quit;
  gauge turn; /* changes when there is work */
  gauge left; /* units of this turn that are not done */
#ifndef __linux__
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
  member members[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

/* Sleepers are counted, so that a turn whose threads still spin costs no system call. The counts and
 * the values they guard are sequentially consistent: either the sleeper sees the new value, or the
 * one who changed it sees the sleeper. */
#ifdef __linux__
static void sleep_while(team *t, gauge *g, uint32_t value) {
  (void)t;
  atomic_fetch_add(&g->sleepers, 1);
  syscall(SYS_futex, (uint32_t *)&g->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
  atomic_fetch_sub(&g->sleepers, 1);
}

static void wake(team *t, gauge *g) {
  (void)t;
  if (atomic_load(&g->sleepers))
    syscall(SYS_futex, (uint32_t *)&g->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
#else
static void sleep_while(team *t, gauge *g, uint32_t value) {
  pthread_mutex_lock(&t->mutex);
  atomic_fetch_add(&g->sleepers, 1);
  while (atomic_load(&g->value) == value) pthread_cond_wait(&t->changed, &t->mutex);
  atomic_fetch_sub(&g->sleepers, 1);
  pthread_mutex_unlock(&t->mutex);
}

static void wake(team *t, gauge *g) {
  if (!atomic_load(&g->sleepers)) return;
  pthread_mutex_lock(&t->mutex);
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->mutex);
}
#endif

/* Wait until the gauge no longer shows `value`; what it shows then. */
static uint32_t await_change(team *t, gauge *g, uint32_t value) {
  for (int spins = 0;; spins++) {
    uint32_t now = atomic_load(&g->value);
    if (now != value) return now;
    if (spins < SPINS)
      relax();
    else
      sleep_while(t, g, value);
  }
}

static uint64_t as_word(range r) { return (uint64_t)r.first << 32 | r.end; }

/* Take units that nobody has begun: all of one's own share, half of another's, which may yet come.
 * The word alone says what is taken, so whoever succeeds, however late, takes part in the turn that
 * is now. */
static bool take(member *of, bool own, range *taken) {
  uint64_t word = atomic_load(&of->share);
  for (;;) {
    range there = {(uint32_t)(word >> 32), (uint32_t)word};
    if (there.first >= there.end) return false;
    uint32_t middle = own ? there.first : there.first + (there.end - there.first) / 2;
    *taken = (range){middle, there.end};
    range rest = {there.first, middle};
    if (atomic_compare_exchange_weak(&of->share, &word, as_word(rest))) return true;
  }
}

static bool take_any(team *t, uint32_t number, range *taken) {
  uint32_t threads = t->pool.threads;
  if (take(&t->members[number], true, taken)) return true;
  for (uint32_t other = 1; other < threads; other++)
    if (take(&t->members[(number + other) % threads], false, taken)) return true;
  return false;
}

/* The first task of a unit. */
static uint32_t task_of(const team *t, uint32_t unit) {
  return (uint32_t)((uint64_t)t->count * unit / t->units);
}

/* Run ranges until all of them are taken. */
static void take_part(team *t, uint32_t number) {
  for (range r; take_any(t, number, &r);) {
    if (number) mbc_adopt(t->control);
    t->task(t->context, number, task_of(t, r.first), task_of(t, r.end));
    uint32_t done = r.end - r.first;
    if (atomic_fetch_sub(&t->left.value, done) == done && number) wake(t, &t->left);
  }
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
  member *self = argument;
  team *t = self->team;
  for (uint32_t turn = 0;;) {
    turn = await_change(t, &t->turn, turn);
    if (atomic_load(&t->quit)) return NULL;
    take_part(t, self->number);
  }
}

static void next_turn(team *t) {
  atomic_fetch_add(&t->turn.value, 1);
  wake(t, &t->turn);
}

/* In how many units: of at least `grain` tasks, and as many for each thread if there are enough. */
static uint32_t units_of(uint32_t count, uint32_t grain, uint32_t threads) {
  uint32_t units = grain > 1 ? count / grain : count;
  return units > threads ? units - units % threads : units;
}

static void share_out(team *t) {
  uint64_t units = t->units, threads = t->pool.threads;
  atomic_store(&t->left.value, t->units);
  for (uint64_t i = 0; i < threads; i++) {
    range share = {(uint32_t)(units * i / threads), (uint32_t)(units * (i + 1) / threads)};
    atomic_store(&t->members[i].share, as_word(share));
  }
  next_turn(t);
}

static void run(mbc_pool *pool, mbc_task task, void *context, uint32_t count, uint32_t grain) {
  team *t = (team *)pool;
  uint32_t units = units_of(count, grain, pool->threads);
  if (pool->threads == 1 || units < 2) {
    task(context, 0, 0, count);
    return;
  }
  t->task = task, t->context = context, t->count = count, t->units = units;
  t->control = mbc_control();
  share_out(t);
  take_part(t, 0);
  for (uint32_t left; (left = atomic_load(&t->left.value)) != 0;) await_change(t, &t->left, left);
}

/* Thread `number` of the team, pinned if asked for; the first one is the caller. */
static bool start(team *t, uint32_t number, const int *cpus) {
  member *m = &t->members[number];
  m->handle = pthread_self();
  if (number > 0) {
    if (pthread_create(&m->handle, NULL, work, m) != 0) return false;
    t->started++;
  }
  return !cpus || pin(m->handle, cpus[number]);
}

mbc_pool *mbc_pool_create(uint32_t threads, const int *cpus) {
  if (threads == 0) return NULL;
  size_t bytes = sizeof(team) + threads * sizeof(member);
  team *t = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (!t) return NULL;
  *t = (team){.pool = {run, threads}};
#ifndef __linux__
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->changed, NULL);
#endif
  for (uint32_t i = 0; i < threads; i++) t->members[i] = (member){.team = t, .number = i};
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
  atomic_store(&t->quit, true);
  next_turn(t);
  for (uint32_t i = 1; i <= t->started; i++) pthread_join(t->members[i].handle, NULL);
  free(t);
}
