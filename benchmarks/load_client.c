/* Closed-loop load over a Unix stream socket: N connections, one request in flight on each, one thread.
 *
 *   load_client --socket PATH --starts TEXT [--connections N] [--seconds S] [--warm-up S]
 *               [--reply-bytes N] [--reply-timeout S] [--once] < REQUESTS
 *
 * REQUESTS are what to send, in turn and round again: each is its length in bytes in decimal, a newline, and
 * that many bytes. With --once none is sent twice; the run ends when the last one is answered. A reply ends with
 * its line, or after --reply-bytes. One that does not begin with --starts counts as an error.
 *
 * It prints one JSON object. Figures are of the measured window, after the warm-up: the requests answered in it, its
 * wall time, the CPU time of this process in it (a client that has used a whole core measured itself), latencies in
 * microseconds. `errors` and `sent` are of the whole run. Latencies are counted in buckets 0.4 % wide, `max_us` is
 * exact; `waiting_us` is the age of the oldest request still unanswered at the end.
 *
 * Exit codes: 0; 64 for a wrong call; 1 when the server closes, is silent, or says more than it was asked.
 * Everything is bounded: connections, requests, a reply's size, and the time that anything may take. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_CONNECTIONS = 1024,
  MAX_REQUESTS = 1 << 20,
  MAX_REQUEST_BYTES = 1 << 20, /* the longest line that promptd takes */
  MAX_INPUT_BYTES = 1 << 28,
  MAX_REPLY_BYTES = 1 << 26,
  MAX_STARTS_BYTES = 256,
  MAX_SECONDS = 600,
  SHOWN_BYTES = 200,           /* of the first error */
  SUB_BITS = 8,                /* 256 buckets for each power of two: 0.4 % */
  BUCKETS = (64 - SUB_BITS + 1) << SUB_BITS,
  EXIT_USAGE = 64,
};

static const double SECOND_NS = 1e9;

typedef struct {
  const char *bytes;
  size_t length;
} text;

typedef struct {
  int fd;
  int is_waiting;
  uint64_t asked_ns;
  size_t got;      /* bytes of the reply so far */
  size_t matching; /* of them, those that are as in `starts`, from the first on */
  size_t head_length;
  char head[SHOWN_BYTES]; /* the reply's first bytes, to show them if they are wrong */
} connection;

static struct {
  const char *socket;
  text starts;
  long connections, reply_bytes;
  double seconds, warm_up_s, reply_timeout_s;
  int is_once;
} options = {.connections = 1, .seconds = 1, .warm_up_s = 0.2, .reply_timeout_s = 10};

static connection peers[MAX_CONNECTIONS];
static text *requests;
static size_t request_count;
static uint64_t buckets[BUCKETS];
static char chunk[1 << 20];
static int poller;

static struct {
  uint64_t sent, answered, errors, bytes, max_ns;
  int is_measuring;
  char first_error[SHOWN_BYTES];
  size_t first_error_length;
} counted;

static _Noreturn void fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load_client: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(code);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- options and requests ------------------------------------------------------------------------ */

static double number(const char *name, const char *value, double least, double most) {
  char *end;
  double found = strtod(value, &end);
  if (end == value || *end || !(found >= least && found <= most))
    fail(EXIT_USAGE, "--%s takes a number from %g to %g, not '%s'", name, least, most, value);
  return found;
}

static void parse(int argc, char **argv) {
  static const struct option known[] = {
      {"socket", required_argument, 0, 's'},      {"starts", required_argument, 0, 'p'},
      {"connections", required_argument, 0, 'c'}, {"seconds", required_argument, 0, 't'},
      {"warm-up", required_argument, 0, 'w'},     {"reply-bytes", required_argument, 0, 'b'},
      {"once", no_argument, 0, 'o'},              {"reply-timeout", required_argument, 0, 'r'},
      {0}};
  int which, index;
  while ((which = getopt_long(argc, argv, "", known, &index)) != -1) {
    const char *name = which == '?' ? "" : known[index].name;
    if (which == 's') options.socket = optarg;
    else if (which == 'p') options.starts = (text){optarg, strlen(optarg)};
    else if (which == 'c') options.connections = (long)number(name, optarg, 1, MAX_CONNECTIONS);
    else if (which == 't') options.seconds = number(name, optarg, 0.001, MAX_SECONDS);
    else if (which == 'w') options.warm_up_s = number(name, optarg, 0, MAX_SECONDS);
    else if (which == 'b') options.reply_bytes = (long)number(name, optarg, 1, MAX_REPLY_BYTES);
    else if (which == 'r') options.reply_timeout_s = number(name, optarg, 0.001, MAX_SECONDS);
    else if (which == 'o') options.is_once = 1;
    else exit(EXIT_USAGE);
  }
  if (!options.socket || optind < argc) fail(EXIT_USAGE, "needs --socket PATH, and no argument beside options");
  if (strlen(options.socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
    fail(EXIT_USAGE, "the path of the socket is too long: %s", options.socket);
  if (options.starts.length < 1 || options.starts.length > MAX_STARTS_BYTES)
    fail(EXIT_USAGE, "needs --starts TEXT, how a good reply begins, of at most %d bytes", MAX_STARTS_BYTES);
}

static text read_input(void) {
  size_t length = 0, room = 1 << 16;
  char *bytes = malloc(room);
  while (bytes) {
    length += fread(bytes + length, 1, room - length - 1, stdin);
    if (length < room - 1) break;
    if (room >= MAX_INPUT_BYTES) fail(EXIT_USAGE, "more than %d bytes of requests", MAX_INPUT_BYTES);
    bytes = realloc(bytes, room *= 2);
  }
  if (!bytes) fail(1, "no memory for the requests");
  if (ferror(stdin)) fail(1, "reading the requests: %s", strerror(errno));
  bytes[length] = 0; /* so that strtoul ends */
  return (text){bytes, length};
}

/* Cuts the input into requests; they stay where they were read. */
static void read_requests(void) {
  text input = read_input();
  const char *at = input.bytes, *end = at + input.length;
  requests = malloc(MAX_REQUESTS * sizeof *requests);
  if (!requests) fail(1, "no memory for the requests");
  while (at < end) {
    char *after;
    unsigned long length = *at >= '0' && *at <= '9' ? strtoul(at, &after, 10) : 0;
    if (length < 1 || length > MAX_REQUEST_BYTES || *after != '\n' || length > (size_t)(end - after - 1))
      fail(EXIT_USAGE, "request %zu: wants its length in bytes, a newline, that many bytes", request_count + 1);
    if (request_count == MAX_REQUESTS) fail(EXIT_USAGE, "more than %d requests", MAX_REQUESTS);
    requests[request_count++] = (text){after + 1, length};
    at = after + 1 + length;
  }
  if (!request_count) fail(EXIT_USAGE, "no request on standard input");
}

/* -- latencies: a histogram of constant relative width, as HdrHistogram has ----------------------- */

static size_t bucket_of(uint64_t ns) {
  if (ns < 1u << SUB_BITS) return (size_t)ns;
  int shift = 63 - __builtin_clzll(ns) - SUB_BITS;
  return ((size_t)(shift + 1) << SUB_BITS) + (size_t)((ns >> shift) - (1u << SUB_BITS));
}

static double middle_of(size_t bucket) {
  size_t power = bucket >> SUB_BITS;
  if (!power) return (double)bucket;
  uint64_t least = ((uint64_t)(bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) << (power - 1);
  return (double)least + (double)((uint64_t)1 << (power - 1)) / 2;
}

static double percentile_us(double share) {
  uint64_t rank = (uint64_t)(share * (double)counted.answered), seen = 0;
  size_t bucket = 0;
  while (bucket < BUCKETS - 1 && (seen += buckets[bucket]) <= rank) bucket++;
  double found_ns = middle_of(bucket), most_ns = (double)counted.max_ns;
  return (found_ns < most_ns ? found_ns : most_ns) / 1e3;
}

/* -- connections --------------------------------------------------------------------------------- */

static void open_connection(connection *peer) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, options.socket, strlen(options.socket) + 1);
  long whole_s = (long)options.reply_timeout_s;
  struct timeval limit = {whole_s, (long)((options.reply_timeout_s - (double)whole_s) * 1e6)};
  peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer->fd < 0) fail(1, "socket: %s", strerror(errno));
  /* bounds connecting to a full backlog as well as sending */
  setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(peer->fd, (struct sockaddr *)&address, sizeof address))
    fail(1, "connecting to %s: %s", options.socket, strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, peer->fd, &event)) fail(1, "epoll_ctl: %s", strerror(errno));
}

/* Sends the next request, if there is one. */
static void ask(connection *peer) {
  if (options.is_once && counted.sent == request_count) return;
  text request = requests[counted.sent++ % request_count];
  peer->asked_ns = now_ns();
  peer->is_waiting = 1;
  peer->got = peer->matching = peer->head_length = 0;
  while (request.length) {
    ssize_t sent = send(peer->fd, request.bytes, request.length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail(1, "sending a request: %s", strerror(errno));
    request.bytes += sent;
    request.length -= (size_t)sent;
  }
}

/* Compares what has come with `starts`, and keeps the first bytes; cheap once those are seen. */
static void check_head(connection *peer, size_t length) {
  size_t wanted = options.starts.length - peer->matching;
  if (peer->matching == peer->got) {
    size_t compared = length < wanted ? length : wanted, same = 0;
    while (same < compared && chunk[same] == options.starts.bytes[peer->matching + same]) same++;
    peer->matching += same;
  }
  if (peer->head_length < sizeof peer->head && peer->matching < options.starts.length) {
    size_t kept = sizeof peer->head - peer->head_length;
    if (kept > length) kept = length;
    memcpy(peer->head + peer->head_length, chunk, kept);
    peer->head_length += kept;
  }
}

/* Whether the reply is whole with the `length` bytes in `chunk`. */
static int is_whole(const connection *peer, size_t length) {
  if (options.reply_bytes) {
    if (peer->got > (size_t)options.reply_bytes)
      fail(1, "a reply of %zu bytes, where %ld were to come", peer->got, options.reply_bytes);
    return peer->got == (size_t)options.reply_bytes;
  }
  const char *newline = memchr(chunk, '\n', length);
  if (newline && newline != chunk + length - 1) fail(1, "more than one line in reply to one request");
  return newline != NULL;
}

static void count_error(const connection *peer) {
  if (counted.errors++) return;
  counted.first_error_length = peer->head_length;
  memcpy(counted.first_error, peer->head, peer->head_length);
}

static void count_reply(const connection *peer) {
  if (peer->matching < options.starts.length) count_error(peer);
  if (!counted.is_measuring) return;
  uint64_t took_ns = now_ns() - peer->asked_ns;
  buckets[bucket_of(took_ns)]++;
  counted.answered++;
  counted.bytes += peer->got;
  if (took_ns > counted.max_ns) counted.max_ns = took_ns;
}

static void hear(connection *peer) {
  ssize_t length = recv(peer->fd, chunk, sizeof chunk, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length < 0) fail(1, "reading a reply: %s", strerror(errno));
  if (!length) fail(1, "the server closed a connection after %zu bytes of a reply", peer->got);
  if (!peer->is_waiting) fail(1, "the server sent %zd bytes that nobody asked for", length);
  check_head(peer, (size_t)length);
  peer->got += (size_t)length;
  if (peer->got > MAX_REPLY_BYTES) fail(1, "a reply of more than %d bytes", MAX_REPLY_BYTES);
  if (!is_whole(peer, (size_t)length)) return;
  count_reply(peer);
  peer->is_waiting = 0;
  ask(peer);
}

static uint64_t longest_wait_ns(void) {
  uint64_t longest = 0, now = now_ns();
  for (connection *peer = peers; peer < peers + options.connections; peer++)
    if (peer->is_waiting && now - peer->asked_ns > longest) longest = now - peer->asked_ns;
  return longest;
}

static int is_used_up(void) {
  if (!options.is_once || counted.sent < request_count) return 0;
  for (connection *peer = peers; peer < peers + options.connections; peer++)
    if (peer->is_waiting) return 0;
  return 1;
}

/* Answers what comes until `end_ns`. The times of silent connections are looked at once in a while. */
static void run_until(uint64_t end_ns) {
  struct epoll_event events[64];
  uint64_t now, looked_ns = now_ns();
  while ((now = now_ns()) < end_ns && !is_used_up()) {
    uint64_t left_ms = (end_ns - now) / 1000000u + 1;
    int ready = epoll_wait(poller, events, 64, left_ms < 100 ? (int)left_ms : 100);
    if (ready < 0 && errno != EINTR) fail(1, "epoll_wait: %s", strerror(errno));
    for (int at = 0; at < ready; at++) hear(events[at].data.ptr);
    if (now - looked_ns < 100000000u) continue;
    looked_ns = now;
    if ((double)longest_wait_ns() > options.reply_timeout_s * SECOND_NS)
      fail(1, "no reply within %g s", options.reply_timeout_s);
  }
}

/* -- the report ---------------------------------------------------------------------------------- */

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static void print_first_error(void) {
  for (size_t at = 0; at < counted.first_error_length; at++) {
    unsigned char byte = (unsigned char)counted.first_error[at];
    if (byte == '"' || byte == '\\') printf("\\%c", byte);
    else if (byte < 32 || byte > 126) printf("\\u%04x", byte); /* bytes, as Latin-1 */
    else putchar(byte);
  }
}

static void print(double wall_s, const struct rusage *from, const struct rusage *to) {
  double user_s = seconds_of(to->ru_utime) - seconds_of(from->ru_utime);
  double system_s = seconds_of(to->ru_stime) - seconds_of(from->ru_stime);
  printf("{\"connections\":%ld,\"requests\":%llu,\"reply_bytes\":%llu,\"wall_s\":%.6f,", options.connections,
         (unsigned long long)counted.answered, (unsigned long long)counted.bytes, wall_s);
  printf("\"user_s\":%.6f,\"system_s\":%.6f,\"requests_per_s\":%.1f,", user_s, system_s,
         (double)counted.answered / wall_s);
  printf("\"p50_us\":%.2f,\"p99_us\":%.2f,\"p99_9_us\":%.2f,\"max_us\":%.2f,\"waiting_us\":%.2f,",
         percentile_us(0.5), percentile_us(0.99), percentile_us(0.999), (double)counted.max_ns / 1e3,
         (double)longest_wait_ns() / 1e3);
  printf("\"sent\":%llu,\"errors\":%llu,\"first_error\":\"", (unsigned long long)counted.sent,
         (unsigned long long)counted.errors);
  print_first_error();
  puts("\"}");
}

int main(int argc, char **argv) {
  parse(argc, argv);
  read_requests();
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail(1, "epoll_create1: %s", strerror(errno));
  for (long at = 0; at < options.connections; at++) open_connection(&peers[at]);
  for (long at = 0; at < options.connections; at++) ask(&peers[at]);
  run_until(now_ns() + (uint64_t)(options.warm_up_s * SECOND_NS));

  struct rusage from, to;
  getrusage(RUSAGE_SELF, &from);
  uint64_t began_ns = now_ns();
  counted.is_measuring = 1;
  run_until(began_ns + (uint64_t)(options.seconds * SECOND_NS));
  double wall_s = (double)(now_ns() - began_ns) / SECOND_NS;
  getrusage(RUSAGE_SELF, &to);

  if (!counted.answered) fail(1, "no reply came in the measured %g s", wall_s);
  print(wall_s, &from, &to);
  return 0;
}
