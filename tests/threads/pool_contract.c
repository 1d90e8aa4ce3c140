/* What pool.h promises: each task is done once, in ranges of at least a grain, by one thread of each
 * number at a time. And what our pool does besides: nobody waits for a thread that gets no CPU, and
 * all flush subnormal numbers as the caller does. */
#define _GNU_SOURCE

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"
#include "subnormals.h"

enum { THREADS = 4, MOST_TASKS = 200, TURNS = 300, PATIENCE = 20 };

static const struct timespec moment = {.tv_nsec = 100000};

typedef struct {
  uint32_t count, grain;
  _Atomic uint32_t times[MOST_TASKS];
  _Atomic uint32_t running[THREADS];
  _Atomic int wrong;
} ledger;

static void enter(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  ledger *l = context;
  uint32_t least = l->grain < l->count ? l->grain : l->count;
  if (thread >= THREADS || begin >= end || end > l->count || end - begin < least) {
    l->wrong = 1;
    return;
  }
  if (atomic_fetch_add(&l->running[thread], 1)) l->wrong = 1;
  for (uint32_t i = begin; i < end; i++) atomic_fetch_add(&l->times[i], 1);
  atomic_fetch_sub(&l->running[thread], 1);
}

/* Whether every number of tasks is dealt out right, whatever the grain. */
static int deals_out(mbc_pool *pool) {
  static ledger l;
  for (uint32_t count = 1; count <= MOST_TASKS; count += 1 + count / 8)
    for (uint32_t grain = 1; grain <= count + 1; grain += 1 + grain / 4) {
      memset(&l, 0, sizeof l);
      l.count = count, l.grain = grain;
      pool->run(pool, enter, &l, count, grain);
      for (uint32_t i = 0; i < count; i++)
        if (l.wrong || l.times[i] != 1) {
          printf("task %u of %u, grain %u: %u times\n", i, count, grain, l.times[i]);
          return 0;
        }
    }
  return 1;
}

static _Atomic int stopped, go_on, others;
static pthread_t other;

static void stop(int signal) {
  (void)signal;
  atomic_fetch_add(&stopped, 1);
  while (!go_on) nanosleep(&moment, NULL);
}

/* Find a thread that is not the caller. */
static void meet(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  (void)context, (void)begin, (void)end;
  if (thread == 1 && !atomic_fetch_add(&others, 1)) other = pthread_self();
  nanosleep(&moment, NULL);
}

typedef struct {
  uint32_t control;
  _Atomic int helped, wrong;
} mode;

/* Note whether somebody else has come, and computes as the caller does. */
static void compare(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  mode *m = context;
  (void)begin, (void)end;
  if (mbc_control() != m->control) m->wrong = 1;
  if (thread) m->helped = 1;
  nanosleep(&moment, NULL);
}

static int computes_alike(mbc_pool *pool) {
  for (int turn = 0; turn < 6; turn++) {
    mode m = {.control = mbc_control() ^ (uint32_t)MBC_FLUSH};
    mbc_adopt(m.control);
    while (!m.helped) pool->run(pool, compare, &m, 16, 1);
    if (m.wrong) return 0;
  }
  return 1;
}

static void count_tasks(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  (void)thread;
  atomic_fetch_add((_Atomic uint32_t *)context, end - begin);
}

/* Whether turns end while a thread is stopped that has begun none of them. */
static int waits_for_nobody(void) {
  _Atomic uint32_t done = 0;
  mbc_pool *pool = mbc_pool_create(2, NULL);
  if (!pool) return 0;
  while (!others) pool->run(pool, meet, NULL, 16, 1);
  signal(SIGUSR1, stop);
  pthread_kill(other, SIGUSR1);
  while (!stopped) nanosleep(&moment, NULL);
  for (int turn = 0; turn < TURNS; turn++) {
    if (turn % 20 == 0) nanosleep(&moment, NULL);
    pool->run(pool, count_tasks, &done, MOST_TASKS, 1);
  }
  go_on = 1;
  mbc_pool_destroy(pool);
  return done == TURNS * MOST_TASKS;
}

int main(void) {
  alarm(PATIENCE);
  for (uint32_t threads = 1; threads <= THREADS; threads++) {
    mbc_pool *pool = mbc_pool_create(threads, NULL);
    if (!pool) return 2;
    int good = deals_out(pool) && (threads == 1 || computes_alike(pool)) && deals_out(pool);
    mbc_pool_destroy(pool);
    if (!good) return 3;
  }
  if (!waits_for_nobody()) return 4;
  puts("ok");
  return 0;
}
