/* Whether `stat` says of each path what it said before: the one loop of the hot path that is worth C.
 *
 * A plain shared library without Python's headers, called through ctypes; promptd works without it (stat_proof.py
 * has the same loop in Python). Compiled by the build hook:  cc -O2 -shared -fPIC -o _stat_proof.so _stat_proof.c */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  uint64_t device, inode, size, mtime_ns, ctime_ns;
} signature;

static uint64_t ns(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

/* As walk.signature_of: all zeros for nothing and for a directory, (-1, errno, 0, 0, 0) for what cannot be seen.
 * Of an ancestor, as walk.ancestor_signature: what is there itself, be it a directory or a link. */
static signature look(const char *path, int is_ancestor) {
  struct stat found;
  if ((is_ancestor ? lstat(path, &found) : stat(path, &found)) == 0) {
    if (!is_ancestor && S_ISDIR(found.st_mode)) return (signature){0};
    return (signature){found.st_dev, found.st_ino, (uint64_t)found.st_size, ns(found.st_mtim), ns(found.st_ctim)};
  }
  if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return (signature){0};
  return (signature){(uint64_t)-1, (uint64_t)errno, 0, 0, 0};
}

/* `proof`: how many paths there are and how many of them, the last ones, are ancestors; their signatures, and the paths,
 * each with its 0. 1 if all are as they were. Another way to call it needs another name: a file left over from an
 * earlier build is then not used. */
int promptd_stands(const char *proof) {
  uint64_t count, ancestors;
  memcpy(&count, proof, sizeof count);
  memcpy(&ancestors, proof + sizeof count, sizeof ancestors);
  const char *before = proof + sizeof count + sizeof ancestors, *path = before + count * sizeof(signature);
  for (; count > 0; count--, path += strlen(path) + 1, before += sizeof(signature)) {
    signature now = look(path, count <= ancestors);
    if (memcmp(&now, before, sizeof now) != 0) return 0;
  }
  return 1;
}
