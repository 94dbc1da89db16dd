/* Looking at locks, breaking them, counters, and help for tests. */
#include "support.h"

#include <dlock/testing.h>
#include <inttypes.h>

static int says(dlock_client* client, dlock_subject subject, const char* name, const char* part) {
  char* json = NULL;
  CHECK(dlock_inspect(client, subject, name, DLOCK_TEXT, &json) == DLOCK_OK && json != NULL);
  const int found = strstr(json, part) != NULL;
  if (!found) {
    fprintf(stderr, "%s is not in %s\n", part, json);
  }
  dlock_text_free(json);
  return found;
}

void looking(void) {
  const dlock_client_options options = {.size = sizeof options, .label = "here", .prefix = "p:"};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  CHECK(says(client, DLOCK_SUBJECT_LOCKS, "", "[]"));
  CHECK(says(client, DLOCK_SUBJECT_LOCK, "a", "\"held\":false"));
  CHECK(says(client, DLOCK_SUBJECT_LATCH, "l", "null"));
  CHECK(says(client, DLOCK_SUBJECT_BARRIER, "g", "null"));
  CHECK(says(client, DLOCK_SUBJECT_DEADLOCKS, "", "[]"));

  dlock_lock* mutex = new_mutex(client, "a");
  dlock_lease* lease = acquire(mutex);
  char fence[64];
  snprintf(fence, sizeof fence, "\"fence\":\"%" PRId64 "\"", dlock_lease_fence(lease));
  CHECK(says(client, DLOCK_SUBJECT_LOCK, "a", fence));
  CHECK(says(client, DLOCK_SUBJECT_LOCK, "a", "\"label\":\"here\""));
  CHECK(says(client, DLOCK_SUBJECT_LOCKS, "[a-c]", "[{\"name\":\"a\""));
  CHECK(says(client, DLOCK_SUBJECT_LOCKS, "b*", "[]"));

  dlock_latch* latch = NULL;
  dlock_barrier* barrier = NULL;
  dlock_lease* parts[2] = {NULL};
  CHECK(dlock_latch_new(client, "l", DLOCK_TEXT, 2, NULL, &latch) == DLOCK_OK);
  CHECK(dlock_latch_join(latch, &parts[0]) == DLOCK_OK);
  CHECK(dlock_barrier_new(client, "g", DLOCK_TEXT, 3, NULL, &barrier) == DLOCK_OK);
  CHECK(dlock_barrier_join(barrier, &parts[1]) == DLOCK_OK);
  CHECK(says(client, DLOCK_SUBJECT_LATCH, "l", "\"left\":2"));
  CHECK(says(client, DLOCK_SUBJECT_BARRIER, "g", "\"parties\":3"));
  CHECK(dlock_latch_count_down_part(latch, parts[0]) == DLOCK_OK);
  CHECK(dlock_barrier_leave(barrier, parts[1]) == DLOCK_OK);
  dlock_lease_free(parts[0]);
  dlock_lease_free(parts[1]);
  dlock_latch_free(latch);
  dlock_barrier_free(barrier);

  answer lost = ANSWER;
  int broken = -1;
  CHECK(dlock_lease_on_lost(lease, on_lost, &lost) == DLOCK_OK);
  CHECK(dlock_break_lock(client, "a", DLOCK_TEXT, 1, 0, &broken) == DLOCK_OK && broken == 0);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_break_lock(client, "a", DLOCK_TEXT, dlock_lease_fence(lease), 5000, &broken) ==
        DLOCK_OK);
  CHECK(broken == 1);
  await(&lost);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_LOST);
  dlock_lease_free(lease);
  dlock_lock_free(mutex);

  char* json = NULL;
  CHECK(dlock_inspect(NULL, DLOCK_SUBJECT_LOCK, "a", 1, &json) == DLOCK_USAGE && json == NULL);
  CHECK(dlock_inspect(client, DLOCK_SUBJECT_LOCK, "a", 1, NULL) == DLOCK_USAGE);
  CHECK(dlock_inspect(client, DLOCK_SUBJECT_LOCK, NULL, 1, &json) == DLOCK_USAGE);
  CHECK(dlock_inspect(client, (dlock_subject)77, "a", 1, &json) == DLOCK_USAGE);
  CHECK(strstr(dlock_last_error(), "77") != NULL);
  CHECK(dlock_break_lock(client, "a", 1, 1, 0, NULL) == DLOCK_USAGE);
  CHECK(dlock_break_lock(NULL, "a", 1, 1, 0, &broken) == DLOCK_USAGE);
  dlock_text_free(NULL);
  dlock_client_free(client);
}

void counting(void) {
  dlock_client* client = new_client();
  dlock_stats stats = {.size = sizeof stats, .lost = 9};
  CHECK(dlock_client_stats(client, &stats) == DLOCK_OK);
  CHECK(stats.acquired == 0 && stats.lost == 0 && stats.size == sizeof stats);
  dlock_lock* mutex = new_mutex(client, "a");
  dlock_lease* lease = acquire(mutex);
  dlock_lease* other = NULL;
  CHECK(dlock_acquire(mutex, 20, NULL, &other) == DLOCK_TIMED_OUT);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  CHECK(dlock_client_stats(client, &stats) == DLOCK_OK);
  CHECK(stats.acquired == 1 && stats.released == 1 && stats.timed_out == 1 && stats.commands > 1);
  /* A program that knows fewer of them. */
  dlock_stats older = {.size = offsetof(dlock_stats, granted), .granted = 77};
  CHECK(dlock_client_stats(client, &older) == DLOCK_OK);
  CHECK(older.acquired == 1 && older.granted == 77);
  dlock_stats unset = {0};
  CHECK(dlock_client_stats(client, &unset) == DLOCK_USAGE);
  CHECK(dlock_client_stats(client, NULL) == DLOCK_USAGE);
  CHECK(dlock_client_stats(NULL, &stats) == DLOCK_USAGE);
  dlock_lock_free(mutex);
  dlock_client_free(client);
}

static void group_by_letter(void* context, const char* name, size_t length, char* group) {
  CHECK(length > 0);
  ++*(int*)context;
  group[0] = name[0];
}

/* Of a program whose language gives no function to C. */
static void grouping_without_a_call(void) {
  const char* next = NULL;
  const dlock_client_options options = {
      .size = sizeof options, .group = dlock_group_next, .group_context = &next};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock_free(new_mutex(client, "none"));
  const char* const names[] = {"x", "y"};
  dlock_lock* both = NULL;
  next = "first\0second";
  CHECK(dlock_all_new(client, names, NULL, 2, NULL, &both) == DLOCK_OK);
  char longer[2 * DLOCK_GROUP_SIZE] = {0};
  memset(longer, 'l', sizeof longer - 1);
  next = longer;
  dlock_lease_free(acquire(both));
  dlock_lock* mutex = new_mutex(client, "long");
  next = NULL;
  dlock_lease_free(acquire(mutex));
  dlock_group_stats groups[4];
  dlock_snapshot snapshot = {
      .size = sizeof snapshot, .groups = groups, .group_size = sizeof *groups, .max_groups = 4};
  CHECK(dlock_client_snapshot(client, &snapshot) == DLOCK_OK && snapshot.group_count == 4);
  CHECK(strcmp(groups[1].group, "first") == 0 && strcmp(groups[2].group, "second") == 0);
  CHECK(groups[1].released == 1 && groups[2].released == 1 && groups[3].released == 1);
  CHECK(strlen(groups[3].group) == DLOCK_GROUP_SIZE - 1);
  dlock_lock_free(mutex);
  dlock_lock_free(both);
  dlock_client_free(client);
}

void measuring(void) {
  grouping_without_a_call();
  int calls = 0;
  const dlock_client_options options = {
      .size = sizeof options, .group = group_by_letter, .group_context = &calls};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock* mutex = new_mutex(client, "order:1");
  for (int i = 0; i < 3; ++i) {
    dlock_lease_free(acquire(mutex));
  }
  dlock_lease* lease = acquire(mutex);
  CHECK(calls == 1);
  dlock_election* election = NULL;
  CHECK(dlock_election_new(client, "boss", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  dlock_lease* leadership = NULL;
  CHECK(dlock_election_campaign(election, "me", 2, 0, NULL, &leadership) == DLOCK_OK);

  dlock_stats stats = {.size = sizeof stats};
  dlock_group_stats groups[DLOCK_MAX_GROUPS];
  dlock_election_stats elections[1];
  dlock_snapshot snapshot = {.size = sizeof snapshot,
                             .stats = &stats,
                             .groups = groups,
                             .group_size = sizeof *groups,
                             .max_groups = DLOCK_MAX_GROUPS,
                             .elections = elections,
                             .election_size = sizeof *elections,
                             .max_elections = 1};
  CHECK(dlock_client_snapshot(client, &snapshot) == DLOCK_OK);
  CHECK(stats.acquired == 5 && stats.held == 2 && stats.sent_bytes > 0 && stats.received_bytes > 0);
  CHECK(snapshot.group_count == 3 && strcmp(groups[0].group, "") == 0);
  CHECK(strcmp(groups[1].group, "o") == 0 && strcmp(groups[2].group, "b") == 0);
  CHECK(groups[1].acquisitions[DLOCK_KIND_MUTEX][DLOCK_WAY_REQUEST] == 4 && groups[1].held == 1);
  CHECK(groups[1].hold.count == 3 && groups[1].wait.count == 4 && groups[1].wait.sum > 0);
  CHECK(snapshot.election_count == 1 && strcmp(elections[0].name, "boss") == 0);
  CHECK(elections[0].leads);
  /* A program that knows a shorter group, and has room for two. */
  memset(groups, 7, sizeof groups);
  snapshot.group_size = offsetof(dlock_group_stats, acquisitions);
  snapshot.max_groups = 2;
  CHECK(dlock_client_snapshot(client, &snapshot) == DLOCK_OK && snapshot.group_count == 3);
  CHECK(groups[0].group[0] == 0 && ((char*)groups)[DLOCK_GROUP_SIZE] == 'o');
  CHECK(((char*)groups)[(ptrdiff_t)2 * DLOCK_GROUP_SIZE] == 7);
  snapshot.group_size = 0;
  CHECK(dlock_client_snapshot(client, &snapshot) == DLOCK_USAGE);
  CHECK(dlock_client_snapshot(client, NULL) == DLOCK_USAGE);
  CHECK(dlock_histogram_bounds()[0] == 0.0001);
  CHECK(dlock_histogram_bounds()[DLOCK_HISTOGRAM_RANGES - 2] == 500);
  CHECK(strcmp(dlock_lease_kind_name(DLOCK_KIND_PERMITS), "permits") == 0);
  CHECK(strcmp(dlock_way_name(DLOCK_WAY_GRANT), "grant") == 0);
  CHECK(strcmp(dlock_loss_name(DLOCK_LOSS_MAX_HOLD), "max_hold") == 0);
  CHECK(strcmp(dlock_loss_name((dlock_loss)77), "") == 0);

  char* text = NULL;
  CHECK(dlock_prometheus_text(client, &text) == DLOCK_OK);
  CHECK(strstr(text, "\ndlock_client_leases_held{group=\"o\"} 1\n") != NULL);
  CHECK(strstr(text, "\nleader_election_master_status{name=\"boss\"} 1\n") != NULL);
  dlock_text_free(text);
  const dlock_client* const clients[] = {client, client};
  const char* const names[] = {"orders", "mail"};
  CHECK(dlock_prometheus_text_of_all(clients, names, 2, &text) == DLOCK_OK);
  CHECK(strstr(text, "\ndlock_client_leases_held{client=\"mail\",group=\"o\"} 1\n") != NULL);
  CHECK(strstr(text, "\ndlock_client_leases_held{client=\"orders\",group=\"o\"} 1\n") != NULL);
  dlock_text_free(text);
  static const char* const twice[] = {"mail", "mail"};
  static const char* const missing[] = {"mail", NULL};
  CHECK(dlock_prometheus_text_of_all(clients, twice, 2, &text) == DLOCK_USAGE && text == NULL);
  CHECK(dlock_prometheus_text_of_all(clients, missing, 2, &text) == DLOCK_USAGE);
  CHECK(dlock_prometheus_text_of_all(NULL, names, 2, &text) == DLOCK_USAGE);
  dlock_lease_free(leadership);
  CHECK(dlock_prometheus_text(client, &text) == DLOCK_OK);
  CHECK(strstr(text, "\nleader_election_master_status{name=\"boss\"} 0\n") != NULL);
  dlock_text_free(text);
  dlock_election_free(election);
  dlock_lease_free(lease);
  dlock_lock_free(mutex);
  dlock_client_free(client);
}

/* What an event said. */
struct told {
  pthread_mutex_t mutex;
  int kinds[8];
  int count;
  dlock_lock_event last;
  char name[16];
  char holder[16];
};

static void keep(struct told* told, const dlock_lock_event* event) {
  pthread_mutex_lock(&told->mutex);
  CHECK(told->count < 8 && event->size == sizeof *event && event->text != NULL);
  told->kinds[told->count++] = event->kind;
  told->last = *event;
  snprintf(told->name, sizeof told->name, "%s", event->name);
  snprintf(told->holder, sizeof told->holder, "%s",
           event->holder_label != NULL ? event->holder_label : "");
  pthread_mutex_unlock(&told->mutex);
}

static void on_event(void* context, const dlock_lock_event* event) { keep(context, event); }

static int count_of(struct told* told) {
  pthread_mutex_lock(&told->mutex);
  const int count = told->count;
  pthread_mutex_unlock(&told->mutex);
  return count;
}

void telling(void) {
  struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  const dlock_client_options options = {.size = sizeof options,
                                        .label = "nightly",
                                        .on_event = on_event,
                                        .event_context = &told,
                                        .slow_wait_ms = 50};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock* mutex = new_mutex(client, "a");
  dlock_lease* lease = acquire(mutex);
  dlock_lease* other = NULL;
  CHECK(dlock_acquire(mutex, 300, NULL, &other) == DLOCK_TIMED_OUT);
  CHECK(strstr(dlock_last_error(), "\"a\" within 300 ms") != NULL);
  while (count_of(&told) < 3) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  CHECK(told.kinds[0] == DLOCK_LOCK_ACQUIRED && told.kinds[1] == DLOCK_LOCK_WAITING);
  CHECK(told.kinds[2] == DLOCK_LOCK_TIMED_OUT && told.last.waited_us >= 300000);
  CHECK(told.last.way == -1 && told.last.reason == -1 && told.last.at_us > 0);
  char* text = NULL;
  CHECK(dlock_lock_describe(mutex, &text) == DLOCK_OK);
  CHECK(strstr(text, "\"nightly\" holds since") != NULL);
  dlock_text_free(text);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  while (count_of(&told) < 4) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  CHECK(told.last.kind == DLOCK_LOCK_RELEASED && told.last.held_us >= 300000);
  CHECK(told.last.fence > 0 && strcmp(told.name, "a") == 0 && told.last.name_length == 1);
  CHECK(strcmp(dlock_lock_event_kind_name(DLOCK_LOCK_TIMED_OUT), "timed_out") == 0);
  CHECK(strcmp(dlock_lock_event_kind_name((dlock_lock_event_kind)77), "") == 0);
  dlock_lock_free(mutex);
  dlock_client_free(client);

  /* The same for an event loop. */
  dlock_queue* queue = NULL;
  int descriptor = -1;
  CHECK(dlock_queue_new(&queue, &descriptor) == DLOCK_OK);
  struct told seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  const dlock_client_options queued = {
      .size = sizeof queued, .queue = queue, .event_context = (void*)5, .events_to_queue = 1};
  CHECK(dlock_client_new(NULL, &queued, &client) == DLOCK_OK);
  mutex = new_mutex(client, "a");
  dlock_lease_free(acquire(mutex));
  CHECK(dlock_lock_describe_queued(mutex, 6) == DLOCK_OK);
  int is_described = 0;
  while (seen.count < 2 || !is_described) {
    dlock_event event = {.size = sizeof event};
    if (!dlock_queue_next(queue, &event)) {
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } else if (event.kind == DLOCK_EVENT_LOCK) {
      CHECK(event.context == 5 && event.lock_event != NULL);
      keep(&seen, event.lock_event);
    } else {
      CHECK(event.kind == DLOCK_EVENT_DONE && event.context == 6);
      is_described = strcmp(event.text, "lock \"a\": free; 0 waiting") == 0;
    }
  }
  CHECK(seen.kinds[0] == DLOCK_LOCK_ACQUIRED && seen.kinds[1] == DLOCK_LOCK_RELEASED);
  dlock_lock_free(mutex);
  dlock_client_free(client);
  close(descriptor);
}

void test_server(void) {
  dlock_test_server* server = NULL;
  CHECK(dlock_test_server_new(&server) == DLOCK_OK);
  const dlock_client_options options = {.size = sizeof options, .request_timeout_ms = 100};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(dlock_test_server_url(server), &options, &client) == DLOCK_OK);
  dlock_lock* mutex = new_mutex(client, "a");
  dlock_lease* lease = acquire(mutex);
  CHECK(dlock_lease_lose(client, lease) == DLOCK_OK);
  CHECK(dlock_lease_is_lost(lease) && dlock_lease_ensure_held(lease) == DLOCK_LOST);
  CHECK(dlock_lease_lose(client, lease) == DLOCK_LOST);
  CHECK(dlock_lease_release(lease) == DLOCK_LOST);
  CHECK(dlock_lease_lose(client, lease) == DLOCK_USAGE);
  dlock_lease_free(lease);
  dlock_stats stats = {.size = sizeof stats};
  CHECK(dlock_client_stats(client, &stats) == DLOCK_OK);
  CHECK(stats.acquired == 1 && stats.released == 0 && stats.lost == 1);

  CHECK(dlock_test_server_pause(server) == DLOCK_OK);
  CHECK(try_acquire(mutex, &lease) == DLOCK_UNREACHABLE);
  CHECK(dlock_test_server_resume(server) == DLOCK_OK);
  CHECK(dlock_acquire(mutex, LONG_MS, NULL, &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(mutex);
  dlock_client_free(client);
  char url[256];
  snprintf(url, sizeof url, "%s", dlock_test_server_url(server));
  dlock_test_server_free(server);
  CHECK(dlock_client_new(url, &options, &client) == DLOCK_OK);
  mutex = new_mutex(client, "a");
  CHECK(try_acquire(mutex, &lease) == DLOCK_UNREACHABLE);
  dlock_lock_free(mutex);
  dlock_client_free(client);

  CHECK(dlock_test_server_new(NULL) == DLOCK_USAGE);
  CHECK(dlock_test_server_pause(NULL) == DLOCK_USAGE);
  CHECK(dlock_test_server_resume(NULL) == DLOCK_USAGE);
  CHECK(dlock_test_server_url(NULL) == NULL);
  CHECK(dlock_lease_lose(NULL, NULL) == DLOCK_USAGE);
  dlock_test_server_free(NULL);
}
