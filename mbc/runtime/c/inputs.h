/* Reading inputs: tensors in .npy, photos in .ppm. Part of main.c, whose tensors and errors these
 * functions use. */

/* ---- Reading .npy ---------------------------------------------------------------------------- */

/* Reads `size` bytes; a file that ends before is an error about `what`. */
static bool read_exactly(FILE *file, const char *path, const char *code, void *to, size_t size,
                         const char *what) {
  size_t got = fread(to, 1, size, file);
  if (got == size) return true;
  if (ferror(file)) return fail(UNREADABLE, path, "%s", strerror(errno));
  return fail(code, path, "truncated: %zu of %zu bytes of %s", got, size, what);
}

static bool expect_end(FILE *file, const char *path, const char *code, const char *what) {
  if (fgetc(file) == EOF && !ferror(file)) return true;
  if (ferror(file)) return fail(UNREADABLE, path, "%s", strerror(errno));
  return fail(code, path, "oversize: more data follows the %s", what);
}

/* The text after `key` and its colon in the header's Python dictionary, or NULL. */
static const char *find_value(const char *header, const char *key) {
  const char *at = strstr(header, key);
  if (!at) return NULL;
  at += strlen(key);
  if (*at == '\'' || *at == '"') at++;
  at += strspn(at, " ");
  if (*at++ != ':') return NULL;
  return at + strspn(at, " ");
}

/* Reads "(1, 224, 3)"; false if it is no tuple of numbers or has more than MAX_RANK. */
static bool parse_shape(const char *text, tensor *found) {
  if (*text++ != '(') return false;
  for (found->rank = 0;; found->rank++) {
    text += strspn(text, " ,");
    if (*text == ')') return true;
    if (*text < '0' || *text > '9' || found->rank == MAX_RANK) return false;
    char *end;
    unsigned long long extent = strtoull(text, &end, 10);
    found->shape[found->rank] = extent < SIZE_MAX ? (size_t)extent : SIZE_MAX;
    text = end;
  }
}

static bool same_shape(const tensor *a, const tensor *b) {
  return a->rank == b->rank && !memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]);
}

static bool check_header(const char *path, const char *header, const tensor *want) {
  const char *descr = find_value(header, "descr");
  const char *order = find_value(header, "fortran_order");
  const char *shape = find_value(header, "shape");
  const char *type = is_byte(want) ? "|u1" : "<f4";
  bool quoted = descr && (*descr == '\'' || *descr == '"');
  if (descr && !(quoted && !strncmp(descr + 1, type, 3) && descr[4] == *descr))
    return fail(MISFIT, path, "dtype %.*s, the network needs '%s'%s: "
                "numpy.save(path, x.astype('%s')) converts",
                (int)strspn(descr, "'\"<>=|[(abcfimuMOSUV0123456789"), descr, type,
                is_byte(want) ? "" : " (little-endian float32)", type);
  if (!descr || !order || !shape)
    return fail(BAD_NPY, path, "the .npy header cannot be understood");
  if (strncmp(order, "False", 5))
    return fail(MISFIT, path, "Fortran order; save it in C order (numpy.ascontiguousarray)");
  tensor found = {0};
  shape_text found_text, want_text;
  if (!parse_shape(shape, &found))
    return fail(BAD_NPY, path, "the .npy header has no usable shape");
  if (!same_shape(&found, want))
    return fail(MISFIT, path, "shape %s, input %s of the network needs %s",
                format_shape(&found, found_text), want->name, format_shape(want, want_text));
  return true;
}

static bool read_npy(FILE *file, const char *path, const tensor *to) {
  static char header[MAX_HEADER + 1];
  unsigned char prefix[6] = {0}; /* version, then 2 or (from version 2) 4 bytes of length */
  if (!read_exactly(file, path, BAD_NPY, prefix, 4, "the .npy header")) return false;
  if (prefix[0] < 1 || prefix[0] > 3)
    return fail(BAD_NPY, path, ".npy format %d is unknown; 1 to 3 are read", prefix[0]);
  if (prefix[0] > 1 && !read_exactly(file, path, BAD_NPY, prefix + 4, 2, "the .npy header"))
    return false;
  if (prefix[4] || prefix[5])
    return fail(BAD_NPY, path, "the .npy header is longer than %d", MAX_HEADER);
  size_t length = prefix[2] | (size_t)prefix[3] << 8;
  if (!read_exactly(file, path, BAD_NPY, header, length, "the .npy header")) return false;
  header[length] = '\0';
  return check_header(path, header, to) &&
         read_exactly(file, path, BAD_NPY, to->data, size_of(to), "the tensor") &&
         expect_end(file, path, BAD_NPY, "tensor");
}

/* ---- Reading .ppm ---------------------------------------------------------------------------- */

/* The next number of a PPM header, after blanks and comments; -1 if there is none. */
static long read_number(FILE *file) {
  int c = fgetc(file);
  while (c == '#' || c == ' ' || (c >= '\t' && c <= '\r')) {
    if (c == '#')
      while (c != '\n' && c != EOF) c = fgetc(file);
    c = fgetc(file);
  }
  if (c < '0' || c > '9') return -1;
  long number = 0;
  for (; c >= '0' && c <= '9' && number < 1000000; c = fgetc(file)) number = number * 10 + c - '0';
  return number; /* and the one blank behind it is read */
}

static bool check_image(FILE *file, const char *path, const tensor *to) {
  long width = read_number(file), height = read_number(file), maximum = read_number(file);
  if (width < 0 || height < 0 || maximum < 0)
    return fail(BAD_IMAGE, path, "the .ppm header cannot be understood");
  shape_text text;
  if (!is_image(to))
    return fail(NO_IMAGE, path, "input %s of shape %s is no RGB image; give it a .npy", to->name,
                format_shape(to, text));
  if ((size_t)height != to->shape[HEIGHT] || (size_t)width != to->shape[WIDTH])
    return fail(MISFIT, path, "the image is %ldx%ld (width x height), the network needs %zux%zu",
                width, height, to->shape[WIDTH], to->shape[HEIGHT]);
  if (maximum != 255)
    return fail(BAD_IMAGE, path, "the largest value is %ld; only 255 is read", maximum);
  return true;
}

#ifdef MBC_NCHW
static bool read_pixels(FILE *file, const char *path, const tensor *to) {
  unsigned char pixel[3], *bytes = to->data;
  float *floats = to->data;
  size_t plane = to->count / 3;
  for (size_t i = 0; i < plane; i++) {
    if (!read_exactly(file, path, BAD_IMAGE, pixel, 3, "a pixel")) return false;
    for (size_t c = 0; c < 3; c++)
      if (is_byte(to))
        bytes[c * plane + i] = pixel[c];
      else
        floats[c * plane + i] = pixel[c] / 127.5f - 1.0f;
  }
  return true;
}
#else
static bool read_pixels(FILE *file, const char *path, const tensor *to) {
  /* Read into the last quarter of the floats: from the front, no float reaches a byte unread. */
  float *floats = to->data;
  unsigned char *bytes = (unsigned char *)to->data + size_of(to) - to->count;
  if (!read_exactly(file, path, BAD_IMAGE, bytes, to->count, "the image")) return false;
  for (size_t i = 0; i < to->count && !is_byte(to); i++) floats[i] = bytes[i] / 127.5f - 1.0f;
  return true;
}
#endif

/* Bytes 0..255 become -1..1, the preprocessing of the MobileNet papers' models, unless the network
 * takes bytes. */
static bool read_ppm(FILE *file, const char *path, const tensor *to) {
#ifdef MBC_PHOTOS
  return fail(NO_IMAGE, path, "photos for this network are prepared with %s; \"mbc preprocess\" does "
              "so, and writes a .npy", MBC_PHOTOS);
#endif
  if (!check_image(file, path, to) || !read_pixels(file, path, to)) return false;
  return expect_end(file, path, BAD_IMAGE, "image");
}

static bool ends_in(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && !strcmp(path + length - tail, end);
}

/* The code for what is neither a tensor nor a photo, by what the file is called. */
static const char *bad_file(const char *path) {
  return ends_in(path, ".npy") ? BAD_NPY : BAD_IMAGE;
}

static bool read_raw(FILE *file, const char *path, const tensor *to) {
  return read_exactly(file, path, MISFIT, to->data, to->count, "the tensor") &&
         expect_end(file, path, MISFIT, "tensor");
}

static bool read_input(const char *path, const tensor *to) {
  char magic[6] = {0};
  FILE *file = fopen(path, "rb");
  if (!file) return fail(UNREADABLE, path, "%s", strerror(errno));
  if (is_byte(to) && ends_in(path, ".raw")) {
    bool read = read_raw(file, path, to);
    fclose(file);
    return read;
  }
  bool good = read_exactly(file, path, bad_file(path), magic, 2, "any known format");
  if (good && !memcmp(magic, "P6", 2)) {
    good = read_ppm(file, path, to);
  } else if (good) {
    size_t rest = fread(magic + 2, 1, 4, file);
    if (rest == 4 && !memcmp(magic, "\x93NUMPY", 6))
      good = read_npy(file, path, to);
    else
      good = fail(bad_file(path), path, "neither .npy nor .ppm (binary, \"P6\")");
  }
  fclose(file);
  return good;
}
