/* Fork and join without waiting for who comes late. Each thread has a share of a turn's tasks, and
 * takes what others have not begun when its own is done (some of it, where they are slower); the caller waits only for ranges that are
 * being run, and works alone for a while when the others were no help, so a thread that gets no CPU
 * holds nobody up for long. Idle threads spin for some microseconds, since kernels follow one another
 * closely, then sleep: on a futex under Linux, elsewhere on a condition variable. */
#define _GNU_SOURCE

#include "pool.h"
#include "subnormals.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { GLANCES = 100, SPINS = 2000, CACHE_LINE = 64 };

/* In nanoseconds: for how long nobody may come, and how much may be lost by waiting, before the
 * caller works alone, and how long it does at most. How many times a loss that is at most, and after
 * how many turns together it is once again. */
enum { ABSENCE = 200000, LOSS = 100000, LONGEST_ALONE = 50000000 };
enum { MOST_TIMES = 64, CALM_TURNS = 1000 };

/* Turns that have to end at once for one long wait to be forgotten, and when there are many. */
enum { WAIT_TURNS = 8, MANY_WAITS = 24, MOST_WAITS = 64 };

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

/* The caller's account of the others. Times are in nanoseconds. */
typedef struct {
  uint64_t absent_since; /* the first of the turns in which nobody came; 0 if somebody does */
  uint64_t lost;         /* more than was won, in turns that were waited for */
  uint64_t alone_until;
  uint32_t times; /* how many times a loss the caller is alone */
  uint32_t turns; /* together, since it last was */
  uint32_t waits; /* recent ones that were long for their turn */
} account;

/* Tasks are dealt out in units: unit u is the tasks from count * u / units to count * (u+1) / units.
 * What a turn is about is written before its shares, and read by who has got a range of one: until
 * that is done the turn does not end. */
struct team {
  mbc_pool pool; /* first: a team is a pool */
  uint32_t crew; /* threads that there are CPUs for; the others are not started */
  uint32_t started;
  account account;
  mbc_task task;
  void *context;
  uint32_t count, units;
  uint32_t control; /* how the caller computes, and so do all in its turn */
  _Atomic bool quit;
  _Atomic bool uneven; /* whether some threads are often done before others */
  _Atomic int cpu; /* where the caller was when it last woke somebody */
  gauge turn;      /* changes when there is work */
  gauge left;      /* units of this turn that are not done */
#ifndef __linux__
  pthread_mutex_t mutex;
  pthread_cond_t changed;
#endif
  member members[];
};

/* ---- Waiting --------------------------------------------------------------------------------- */

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

/* Sleepers are counted, so that a turn whose threads still spin costs no system call. The counts and
 * the values they guard are sequentially consistent: either the sleeper sees the new value, or the
 * one who changed it sees the sleeper. */
#ifdef __linux__
static void sleep_while(team *t, gauge *g, uint32_t value) {
  (void)t;
  atomic_fetch_add(&g->sleepers, 1);
  syscall(SYS_futex, (uint32_t *)&g->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* Who is woken may take long to come: it is woken once. */
static void wake(team *t, gauge *g) {
  (void)t;
  if (atomic_load(&g->sleepers) && atomic_exchange(&g->sleepers, 0))
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

/* Whether the gauge no longer shows `value`, or will within so many spins. */
static bool changes_soon(gauge *g, uint32_t value, int spins) {
  for (; atomic_load(&g->value) == value; spins--) {
    if (!spins) return false;
    relax();
  }
  return true;
}

/* ---- Shares ---------------------------------------------------------------------------------- */

static uint64_t as_word(range r) { return (uint64_t)r.first << 32 | r.end; }

/* What one takes of units that nobody has begun. Its own share as a whole, since each range costs
 * some time; most of it where threads are not equally fast, so that others find something to take.
 * Of another's half, for that one may yet come. */
static uint32_t portion(uint32_t units, bool own, bool uneven) {
  if (own) return uneven && units > 3 ? units - units / 4 : units;
  return units - units / 2;
}

/* Take units of a share: the owner from the front, others from the end. The word alone says what is
 * taken, so whoever succeeds, however late, takes part in the turn that is now. */
static bool take(member *of, bool own, range *taken) {
  bool uneven = atomic_load_explicit(&of->team->uneven, memory_order_relaxed);
  uint64_t word = atomic_load(&of->share);
  for (;;) {
    range all = {(uint32_t)(word >> 32), (uint32_t)word}, front = all, back = all;
    if (all.first >= all.end) return false;
    uint32_t units = portion(all.end - all.first, own, uneven);
    front.end = back.first = own ? all.first + units : all.end - units;
    *taken = own ? front : back;
    uint64_t rest = as_word(own ? back : front);
    if (atomic_compare_exchange_weak(&of->share, &word, rest)) return true;
  }
}

static bool take_any(team *t, uint32_t number, range *taken) {
  if (take(&t->members[number], true, taken)) return true;
  for (uint32_t other = 1; other < t->crew; other++)
    if (take(&t->members[(number + other) % t->crew], false, taken)) return true;
  return false;
}

/* The first task of a unit. */
static uint32_t task_of(const team *t, uint32_t unit) {
  return (uint32_t)((uint64_t)t->count * unit / t->units);
}

/* Run ranges until all of them are taken; how many units this thread has done. */
static uint32_t take_part(team *t, uint32_t number) {
  uint32_t sum = 0;
  for (range r; take_any(t, number, &r);) {
    if (number) mbc_adopt(t->control);
    t->task(t->context, number, task_of(t, r.first), task_of(t, r.end));
    uint32_t done = r.end - r.first;
    sum += done;
    if (atomic_fetch_sub(&t->left.value, done) == done && number) wake(t, &t->left);
  }
  return sum;
}

/* ---- Workers --------------------------------------------------------------------------------- */

/* A thread that was woken on the caller's CPU takes its time from it: better it sleeps on. */
static bool is_in_the_way(team *t) {
  int cpu = this_cpu();
  return cpu >= 0 && cpu == atomic_load_explicit(&t->cpu, memory_order_relaxed);
}

static void *work(void *argument) {
  member *self = argument;
  team *t = self->team;
  uint32_t turn = 0;
  for (bool welcome = true;;) {
    bool met = welcome && changes_soon(&t->turn, turn, SPINS);
    if (!met) sleep_while(t, &t->turn, turn);
    turn = atomic_load(&t->turn.value);
    if (atomic_load(&t->quit)) return NULL;
    welcome = met || !is_in_the_way(t);
    if (welcome) take_part(t, self->number);
  }
}

static void next_turn(team *t) {
  if (atomic_load(&t->turn.sleepers))
    atomic_store_explicit(&t->cpu, this_cpu(), memory_order_relaxed);
  atomic_fetch_add(&t->turn.value, 1);
  wake(t, &t->turn);
}

/* ---- The caller ------------------------------------------------------------------------------ */

/* In how many units: of at least `grain` tasks, and as many for each thread if there are enough. */
static uint32_t units_of(uint32_t count, uint32_t grain, uint32_t threads) {
  uint32_t units = grain > 1 ? count / grain : count;
  return units > threads ? units - units % threads : units;
}

static void share_out(team *t) {
  uint64_t units = t->units, crew = t->crew;
  atomic_store(&t->left.value, t->units);
  for (uint64_t i = 0; i < crew; i++) {
    range share = {(uint32_t)(units * i / crew), (uint32_t)(units * (i + 1) / crew)};
    atomic_store(&t->members[i].share, as_word(share));
  }
  next_turn(t);
}

/* Work alone for some times as long as was lost; for more and more times, while that recurs. */
static void stay_alone(account *a, uint64_t now, uint64_t lost) {
  if (a->turns > CALM_TURNS) a->times = 1;
  uint64_t longest = lost * a->times;
  a->alone_until = now + (longest < LONGEST_ALONE ? longest : LONGEST_ALONE);
  if (a->times < MOST_TIMES) a->times *= 2;
  a->turns = 0, a->lost = 0, a->absent_since = 0;
}

/* Note whether anybody else has come since `start`, when this turn began. */
static void note_absence(account *a, bool absent, uint64_t start) {
  a->turns++;
  if (!absent || !a->absent_since) a->absent_since = absent ? start : 0;
  if (absent && start - a->absent_since > ABSENCE) stay_alone(a, start, LOSS);
}

static bool is_over(team *t) { return !atomic_load(&t->left.value); }

/* Count a turn whose end was waited for long, or forget a bit of those before. */
static void note_wait(team *t, bool is_long) {
  account *a = &t->account;
  if (is_long)
    a->waits = a->waits < MOST_WAITS ? a->waits + WAIT_TURNS : a->waits;
  else if (a->waits)
    a->waits--;
  atomic_store_explicit(&t->uneven, a->waits > MANY_WAITS, memory_order_relaxed);
}

/* Wait for the ranges that are being run, and compare: alone, the caller would have taken as long
 * for each unit as for those that it did. */
static void await_others(team *t, uint64_t start, uint32_t done) {
  uint64_t waits = nanoseconds();
  for (uint32_t left; (left = atomic_load(&t->left.value)) != 0;)
    if (!changes_soon(&t->left, left, SPINS)) sleep_while(t, &t->left, left);
  uint64_t end = nanoseconds(), took = end - start;
  note_wait(t, (end - waits) * 4 > took);
  uint64_t alone = done ? (waits - start) * t->units / done : took;
  account *a = &t->account;
  a->lost = a->lost + took > alone ? a->lost + took - alone : 0;
  if (a->lost > LOSS) stay_alone(a, end, a->lost);
}

static void run(mbc_pool *pool, mbc_task task, void *context, uint32_t count, uint32_t grain) {
  team *t = (team *)pool;
  uint32_t units = units_of(count, grain, t->crew);
  uint64_t start = units > 1 && t->crew > 1 ? nanoseconds() : 0;
  if (start <= t->account.alone_until) {
    task(context, 0, 0, count);
    return;
  }
  t->task = task, t->context = context, t->count = count, t->units = units;
  t->control = mbc_control();
  share_out(t);
  uint32_t done = take_part(t, 0);
  note_absence(&t->account, done == units, start);
  for (int i = 0; i < GLANCES && !is_over(t); i++) relax();
  if (is_over(t))
    note_wait(t, false);
  else
    await_others(t, start, done);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

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
  *t = (team){.pool = {run, threads}, .crew = threads, .account = {.times = 1}};
  if (!cpus && allowed_cpus() < threads) t->crew = allowed_cpus();
#ifndef __linux__
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->changed, NULL);
#endif
  for (uint32_t i = 0; i < t->crew; i++) t->members[i] = (member){.team = t, .number = i};
  for (uint32_t i = 0; i < t->crew; i++)
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
