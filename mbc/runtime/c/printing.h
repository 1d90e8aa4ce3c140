/* Printing outputs: rankings and summaries. Part of main.c, whose tensors these are. */

/* Whether element a ranks before b: by value, equal ones by index, NaN last. */
static bool ranks_before(const tensor *t, size_t a, size_t b) {
  double x = element_of(t, a), y = element_of(t, b);
  if (x > y || x < y) return x > y;
  return isnan(x) == isnan(y) ? a < b : isnan(y);
}

/* The element of t from `row` on that follows `previous`; `end` stands for none. */
static size_t next_in_rank(const tensor *t, size_t row, size_t end, size_t previous) {
  size_t best = end;
  for (size_t i = row; i < end; i++)
    if ((previous == end || ranks_before(t, previous, i)) &&
        (best == end || ranks_before(t, i, best)))
      best = i;
  return best;
}

/* C prints the sign of a NaN, which means nothing. */
static double unsigned_nan(double x) { return isnan(x) ? (double)NAN : x; }

#ifdef MBC_LABELS
#define LABEL_FORMAT " %s"
#define LABEL(index) , labels[index]
#else
#define LABEL_FORMAT
#define LABEL(index)
#endif

/* Integers are printed with all of their digits. */
static int digits_of(const tensor *t) { return is_integer(t) ? 10 : 6; }

static void print_top(const tensor *t, size_t row, size_t end, size_t top) {
  size_t index = end;
  for (size_t rank = 1; rank <= top && rank <= end - row; rank++) {
    index = next_in_rank(t, row, end, index);
    printf("%zu %zu %.*g" LABEL_FORMAT "\n", rank, index - row, digits_of(t),
           unsigned_nan(element_of(t, index)) LABEL(index - row));
  }
}

/* "rank index value" along the last axis, for each row of the others. */
static void print_ranking(const tensor *t, size_t top) {
  size_t length = t->rank ? t->shape[t->rank - 1] : 1, rows = t->count / length;
  for (size_t row = 0; row < rows; row++) {
    if (rows > 1 || LENGTH(outputs) > 1) printf("# %s row %zu\n", t->name, row);
    print_top(t, row * length, (row + 1) * length, top);
  }
}

static void print_summary(const tensor *t) {
  shape_text text;
  double least = element_of(t, 0), most = least, sum = 0;
  for (size_t i = 0; i < t->count; i++) {
    double x = element_of(t, i);
    if (isnan(x) || x < least) least = x;
    if (isnan(x) || x > most) most = x;
    sum += x;
  }
  printf("%s %s: min %.*g, mean %.6g, max %.*g\n", t->name, format_shape(t, text), digits_of(t),
         unsigned_nan(least), unsigned_nan(sum / (double)t->count), digits_of(t),
         unsigned_nan(most));
  /* A ranking tells something of scores, one row an image, but nothing of a feature map or of
   * indices. */
  size_t batch = t->rank ? t->shape[0] : 1;
  int is_row = t->rank > 1 && t->count == batch * t->shape[t->rank - 1];
  if (is_row && !is_integer(t)) print_ranking(t, SUMMARY_TOP);
}
