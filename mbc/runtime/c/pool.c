/* Fork and join without waiting for who comes late. Each thread has a share of a turn's tasks, and
 * takes what others have not begun when its own is done; where threads are not equally fast they
 * have shares in proportion, and begin a part of them at a time, the larger ones first. The caller waits only for ranges that
 * are being run, and works alone for a while when the others were no help, so a thread that gets no
 * CPU holds nobody up for long. Idle threads spin for some microseconds, since kernels follow one
 * another closely, then sleep: on a futex under Linux, elsewhere on a condition variable. */
#define _GNU_SOURCE

#include "pool.h"
#include "subnormals.h"
#include "waiting.h"

#include <stdlib.h>

enum { GLANCES = 100, SPINS = 2000 };

/* In nanoseconds: for how long nobody may come, and how much may be lost by waiting, before the
 * caller works alone, and how long it does at most. How many times a loss that is at most, and after
 * how many turns together it is once again. */
enum { ABSENCE = 200000, LOSS = 100000, LONGEST_ALONE = 50000000 };
enum { MOST_TIMES = 64, CALM_TURNS = 1000 };

/* The weight of a thread as fast as the mean, in shares of a turn; and the least, so that a thread
 * which gets its CPU back is noticed. From how many units for each thread on speeds are learned. */
enum { EVEN = 4096, LEAST_WEIGHT = EVEN / 16, TELLING_UNITS = 4 };

/* Turns that have to end at once for one long wait to be forgotten, and when there are many. */
enum { WAIT_TURNS = 8, MANY_WAITS = 24, MOST_WAITS = 64 };

typedef struct team team;

typedef struct {
  uint32_t first, end;
} range;

/* What a turn is about. Tasks are dealt out in units: unit u is the tasks from count * u / units to
 * count * (u+1) / units. */
typedef struct {
  mbc_task task;
  void *context;
  uint32_t count, units;
  uint32_t control; /* how the caller computes, and so do all in its turn */
} job;

/* A thread's share of a turn: one cache line, so that a thread that waits for a turn has all of it as
 * soon as it sees it. The caller writes the job before `share`, and whoever has taken units of it
 * reads the job: until they are done the turn does not end. */
typedef struct {
  /* The units that nobody has begun, as one word: first << 32 | end. */
  _Alignas(APART) _Atomic uint64_t share;
  job job;
  _Atomic uint32_t turn; /* changes when there is work */
  _Atomic uint32_t did;  /* units that the thread has done in this turn, of any share */
} offer;

typedef struct {
  offer offer;
  _Alignas(APART) team *team;
  pthread_t handle;
  uint32_t number;
  uint32_t weight; /* known to the caller alone */
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

/* `turn` and `cpu` are written by the caller and read by who wakes up; `done` by the others. So a turn
 * for which nobody sleeps moves few cache lines from core to core: the offers, and `done`. */
struct team {
  mbc_pool pool; /* first: a team is a pool */
  uint32_t crew; /* threads that there are CPUs for; the others are not started */
  uint32_t started;
  account account;
  uint32_t target;  /* what `done` will show when the turn is over */
  _Atomic bool uneven; /* whether some threads are often done before others */
  _Atomic int cpu;  /* where the caller was when it last woke somebody */
  _Atomic bool quit;
  gauge turn; /* that of the offers, for those who sleep */
  gauge done; /* units that the others have done, in all turns */
  member members[];
};

/* ---- Shares ---------------------------------------------------------------------------------- */

static uint64_t as_word(range r) { return (uint64_t)r.first << 32 | r.end; }

/* What one takes of units that nobody has begun. Its own share as a whole, since each range costs
 * some time; where threads are not equally fast half of it, and then half of the rest, so that others
 * find something to take. Of another's half, for that one may yet come. */
static uint32_t portion(uint32_t units, bool all) { return all ? units : units - units / 2; }

/* Take units of a share: the owner from the front, others from the end. The word alone says what is
 * taken, so whoever succeeds, however late, takes part in the turn that is now. */
static bool take(offer *of, bool own, bool uneven, range *taken) {
  uint64_t word = atomic_load(&of->share);
  for (;;) {
    range all = {(uint32_t)(word >> 32), (uint32_t)word}, front = all, back = all;
    if (all.first >= all.end) return false;
    uint32_t units = portion(all.end - all.first, own && !uneven);
    front.end = back.first = own ? all.first + units : all.end - units;
    *taken = own ? front : back;
    uint64_t rest = as_word(own ? back : front);
    mbc_pool_delay();
    if (atomic_compare_exchange_weak(&of->share, &word, rest)) return true;
  }
}

/* Take units of any share; what they are of, or NULL. */
static const job *take_any(team *t, uint32_t number, range *taken) {
  bool uneven = atomic_load_explicit(&t->uneven, memory_order_relaxed);
  for (uint32_t other = 0; other < t->crew; other++) {
    offer *of = &t->members[(number + other) % t->crew].offer;
    if (take(of, !other, uneven, taken)) return &of->job;
  }
  return NULL;
}

/* The first task of a unit. */
static uint32_t task_of(const job *of, uint32_t unit) {
  return (uint32_t)((uint64_t)of->count * unit / of->units);
}

/* Run ranges until all of them are taken; how many units this thread has done. The others tell the
 * caller at once, who need not be told of its own. */
static uint32_t take_part(team *t, uint32_t number) {
  uint32_t sum = 0;
  range r;
  for (const job *of; (of = take_any(t, number, &r)) != NULL;) {
    mbc_pool_delay();
    if (number) mbc_adopt(of->control);
    of->task(of->context, number, task_of(of, r.first), task_of(of, r.end));
    mbc_pool_delay();
    uint32_t done = r.end - r.first;
    sum += done;
    atomic_store_explicit(&t->members[number].offer.did, sum, memory_order_relaxed);
    if (!number) continue;
    atomic_fetch_add(&t->done.value, done);
    mbc_pool_delay();
    wake(&t->done);
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
    bool met = welcome && changes_soon(&self->offer.turn, turn, SPINS);
    if (!met) sleep_while(&t->turn, turn);
    if (atomic_load(&t->quit)) return NULL;
    turn = atomic_load(met ? &self->offer.turn : &t->turn.value);
    mbc_pool_delay();
    welcome = met || !is_in_the_way(t);
    if (welcome) take_part(t, self->number);
  }
}

/* ---- The caller ------------------------------------------------------------------------------ */

/* In how many units: of at least `grain` tasks, and as many for each thread if there are enough. */
static uint32_t units_of(uint32_t count, uint32_t grain, uint32_t threads) {
  uint32_t units = grain > 1 ? count / grain : count;
  return units > threads ? units - units % threads : units;
}

/* Wake who sleeps. The others' offers are out already, and who still spins has seen them. */
static void call_sleepers(team *t, uint32_t turn) {
  atomic_store_explicit(&t->turn.value, turn, memory_order_release);
  mbc_pool_delay();
  if (!atomic_load(&t->turn.sleepers)) return;
  atomic_store_explicit(&t->cpu, this_cpu(), memory_order_relaxed);
  wake(&t->turn);
}

static uint64_t total_weight(const team *t) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < t->crew; i++) sum += t->members[i].weight;
  return sum;
}

/* Offer each thread its share. No access waits for another core: who falls asleep just now may miss
 * this turn, and will be woken in the next one. */
static void share_out(team *t, job what) {
  uint64_t units = what.units, below = 0, all = total_weight(t);
  uint32_t number = t->turn.value + 1;
  for (uint32_t i = 0; i < t->crew; i++) {
    uint64_t above = below + t->members[i].weight;
    range share = {(uint32_t)(units * below / all), (uint32_t)(units * above / all)};
    offer *to = &t->members[i].offer;
    below = above;
    to->job = what;
    atomic_store_explicit(&to->did, 0, memory_order_relaxed);
    atomic_store_explicit(&to->share, as_word(share), memory_order_release);
    atomic_store_explicit(&to->turn, number, memory_order_release);
  }
  call_sleepers(t, number);
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

static bool is_over(team *t) { return atomic_load(&t->done.value) == t->target; }

/* Make weights more like what threads did in this turn; whether some are far from even. */
static bool learn_weights(team *t, uint32_t units) {
  bool far = false;
  for (uint32_t i = 0; i < t->crew; i++) {
    member *m = &t->members[i];
    uint64_t did = atomic_load_explicit(&m->offer.did, memory_order_relaxed);
    m->weight += (uint32_t)(did * EVEN * t->crew / units / 4) - m->weight / 4;
    if (m->weight < LEAST_WEIGHT) m->weight = LEAST_WEIGHT;
    far |= m->weight < EVEN - EVEN / 4 || m->weight > EVEN + EVEN / 4;
  }
  return far;
}

static void set_even(team *t) {
  for (uint32_t i = 0; i < t->crew; i++) t->members[i].weight = EVEN;
}

/* Count a turn whose end was waited for long, or forget a bit of those before. */
static void note_wait(team *t, bool is_long, uint32_t units) {
  account *a = &t->account;
  bool before = atomic_load_explicit(&t->uneven, memory_order_relaxed), uneven = before;
  if (is_long)
    a->waits = a->waits < MOST_WAITS ? a->waits + WAIT_TURNS : a->waits;
  else if (a->waits)
    a->waits--;
  if (!before || units >= TELLING_UNITS * t->crew) {
    bool far = before && learn_weights(t, units);
    uneven = far || a->waits > MANY_WAITS;
  }
  if (uneven == before) return;
  if (!uneven) set_even(t);
  atomic_store_explicit(&t->uneven, uneven, memory_order_relaxed);
}

/* Wait for the ranges that are being run, and compare: alone, the caller would have taken as long
 * for each unit as for those that it did. */
static void await_others(team *t, uint64_t start, uint32_t units, uint32_t done) {
  uint64_t waits = nanoseconds();
  for (uint32_t seen; (seen = atomic_load(&t->done.value)) != t->target;)
    if (!changes_soon(&t->done.value, seen, SPINS)) sleep_while(&t->done, seen);
  uint64_t end = nanoseconds(), took = end - start;
  note_wait(t, (end - waits) * 4 > took, units);
  uint64_t alone = done ? (waits - start) * units / done : took;
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
  share_out(t, (job){task, context, count, units, mbc_control()});
  uint32_t done = take_part(t, 0);
  t->target += units - done;
  note_absence(&t->account, done == units, start);
  for (int i = 0; i < GLANCES && !is_over(t); i++) relax();
  if (is_over(t))
    note_wait(t, false, units);
  else
    await_others(t, start, units, done);
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
  team *t = aligned_alloc(APART, (bytes + APART - 1) / APART * APART);
  if (!t) return NULL;
  *t = (team){.pool = {run, threads}, .crew = threads, .account = {.times = 1}};
  if (!cpus && allowed_cpus() < threads) t->crew = allowed_cpus();
  set_up(&t->turn), set_up(&t->done);
  for (uint32_t i = 0; i < t->crew; i++) t->members[i] = (member){.team = t, .number = i, .weight = EVEN};
  for (uint32_t i = 0; i < t->crew; i++)
    if (!start(t, i, cpus)) {
      mbc_pool_destroy(&t->pool);
      return NULL;
    }
  return &t->pool;
}

/* Everybody sees the last turn: who sleeps is counted before `quit` is set, or does not sleep. */
void mbc_pool_destroy(mbc_pool *pool) {
  team *t = (team *)pool;
  if (!t) return;
  atomic_store(&t->quit, true);
  atomic_fetch_add(&t->turn.value, 1);
  for (uint32_t i = 0; i < t->crew; i++) atomic_fetch_add(&t->members[i].offer.turn, 1);
  wake(&t->turn);
  for (uint32_t i = 1; i <= t->started; i++) pthread_join(t->members[i].handle, NULL);
  free(t);
}
