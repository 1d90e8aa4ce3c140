/* What the pool learns of its threads' speeds, and what shares it makes of that. */
#include "pool.c"

#include <stdio.h>

enum { UNITS = 64, TURNS_TO_LEARN = 40 };

/* As if threads had done so many units in each of many turns. */
static bool learn(team *t, uint32_t first, uint32_t second) {
  bool far = false;
  for (int turn = 0; turn < TURNS_TO_LEARN; turn++) {
    atomic_store(&t->members[0].offer.did, first);
    atomic_store(&t->members[1].offer.did, second);
    far = learn_weights(t, UNITS);
  }
  return far;
}

static bool weighs(const team *t, uint32_t first, uint32_t second) {
  uint32_t a = t->members[0].weight, b = t->members[1].weight;
  if (a + 32 > first && a < first + 32 && b + 32 > second && b < second + 32) return true;
  printf("weights of %u and %u, not %u and %u\n", a, b, first, second);
  return false;
}

static void count_units(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  (void)thread;
  atomic_fetch_add((_Atomic uint32_t *)context, end - begin);
}

int main(void) {
  _Atomic uint32_t done = 0;
  mbc_pool *pool = mbc_pool_create(2, NULL);
  team *t = (team *)pool;
  if (!pool || !weighs(t, EVEN, EVEN)) return 2;
  if (!learn(t, 48, 16) || !weighs(t, EVEN * 3 / 2, EVEN / 2)) return 3;
  if (!learn(t, 64, 0) || t->members[1].weight != LEAST_WEIGHT) return 4;
  for (uint32_t count = 1; count <= UNITS; count++) pool->run(pool, count_units, &done, count, 1);
  if (done != UNITS * (UNITS + 1) / 2) return 5;
  if (learn(t, 32, 32) || !weighs(t, EVEN, EVEN)) return 6;
  mbc_pool_destroy(pool);
  puts("ok");
  return 0;
}
