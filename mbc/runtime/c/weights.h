/* Weights in a file beside the program, mapped rather than read: pages that are never used are never
 * loaded, and several programs share them. Part of main.c; mbc_net.h says whether there is such a
 * file. */
#ifdef MBC_WEIGHTS_FILE

#define WRONG_WEIGHTS "E0725"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DIGEST_BYTES = 32 }; /* SHA-256 of the weights, behind them */

static const char weights_help[] =
    "  --weights FILE the weights, " MBC_WEIGHTS_FILE " beside the program by default\n";

/* Where this program is: the loader knows, or the path it was called by. */
static const char *default_weights(const char *program) {
  static char path[MAX_PATH];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) length = snprintf(path, sizeof path, "%s", program);
  if ((size_t)length >= sizeof path) length = 0;
  path[length] = '\0';
  char *name = strrchr(path, '/');
  name = name ? name + 1 : path;
  if (sizeof path - (size_t)(name - path) < sizeof MBC_WEIGHTS_FILE) return MBC_WEIGHTS_FILE;
  memcpy(name, MBC_WEIGHTS_FILE, sizeof MBC_WEIGHTS_FILE);
  return path;
}

static bool map_weights(const char *path, int file) {
  static const unsigned char digest[DIGEST_BYTES] = MBC_WEIGHTS_SHA256;
  const size_t size = (size_t)MBC_WEIGHTS_BYTES + DIGEST_BYTES;
  struct stat status;
  if (fstat(file, &status)) return fail(UNREADABLE, path, "%s", strerror(errno));
  if ((size_t)status.st_size != size)
    return fail(WRONG_WEIGHTS, path, "%zu bytes, the weights of this program have %zu",
                (size_t)status.st_size, size);
  void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (at == MAP_FAILED) return fail(UNREADABLE, path, "%s", strerror(errno));
  if (memcmp((const char *)at + MBC_WEIGHTS_BYTES, digest, sizeof digest))
    return fail(WRONG_WEIGHTS, path, "the weights of another build, not of this program");
  weights = at;
  return true;
}

static bool find_weights(const char *path, const char *program) {
  if (!path) path = default_weights(program);
  int file = open(path, O_RDONLY);
  if (file < 0) return fail(UNREADABLE, path, "%s", strerror(errno));
  bool good = map_weights(path, file);
  close(file);
  return good;
}

static bool is_weights_option(const char *option) { return !strcmp(option, "--weights"); }

#else

static const char weights_help[] = "";
static bool find_weights(const char *path, const char *program) { return !path || !program; }
static bool is_weights_option(const char *option) { return !option; }

#endif
