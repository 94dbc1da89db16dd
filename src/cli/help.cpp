// Help texts: examples first. The manual pages (cmake/man_page.awk) and the shells' completions are
// made of them: keep two spaces before what tells of an option or an example, and the headings.
#include "cli/help.hpp"

namespace dlock::cli {

namespace {

constexpr std::string_view help_main =
    R"(dlock: run programs one at a time, on one machine or on many

  dlock run backup -- ./backup.sh         run it while holding the lock "backup"
  dlock run -n backup -- ./backup.sh      ... or not at all if somebody else has it
  dlock run --permits 4 gpu -- ./train    at most four at a time
  dlock run --at-least 5m job -- ./job    once, by whichever machine's cron comes first
  dlock elect web -- ./serve              while it leads; dlock elect --listen web: who does
  dlock latch --count 3 ready             wait until three have said --down
  dlock barrier --parties 3 phase         wait until three have arrived
  dlock ls                                which locks are held, by whom, who waits
  dlock info backup                       one lock
  dlock deadlocks                         who waits for each other in a ring
  dlock doctor                            what is wrong with the servers
  dlock break backup --fence 110292929    take it away from that holder

The locks are kept in Redis: --url redis://host or DLOCK_URL says where. Without either, local: is
a private server of yours on this machine, started when needed.

'dlock run --help' and so on tell more; 'dlock --version' tells the version.

Environment: DLOCK_URL is where the locks are when there is no --url. DLOCK_LOCAL_DIR is the
directory of local: instead of ~/.local/state/dlock. With NO_COLOR, messages have no colours on a
terminal.

Exit status: 69 when the server is unreachable or refuses, 64 when dlock is used wrongly.
)";

constexpr std::string_view help_run =
    R"(Usage: dlock run [OPTION...] NAME [--and NAME]... [--] COMMAND [ARG...]
       dlock run [OPTION...] -c STRING NAME

Waits for the lock NAME, runs COMMAND while holding it, releases it.

  dlock run backup -- ./backup.sh --full          wait as long as it takes
  dlock run -w 5m backup -- ./backup.sh           ... at most 5 minutes, else exit with 75
  dlock run -n -E 0 backup -- ./backup.sh         do nothing if it runs elsewhere already
  dlock run -c 'sort in >out && mv out in' in     a shell command
  dlock run --ttl 5s leader -- ./serve            others take over 5 s after this machine died
  dlock run -s site -- ./serve-pages              beside others with -s, not beside one with -x
  dlock run --permits 4 --weight 2 gpu -- ./fit   as long as at most 4 permits are taken, by us 2
  dlock run --at-least 5m nightly -- ./report     from cron, on many machines: one of them runs it
  dlock run alice --and bob -- ./transfer         both locks at once, never one of them alone

  -n, --nonblock                do not wait
  -w, --wait DURATION           wait at most so long
  -E, --conflict-exit-code N    exit with N, not 75, when the lock was not obtained
  -s, --shared                  as a reader of the reader-writer lock NAME: beside other readers
  -x, --exclusive               as its writer: alone. Waiting writers and readers take turns
      --permits N               NAME is a semaphore with N permits: the same N everywhere
      --weight W                take W of them (default 1)
      --and NAME                this mutex too, all or none, in any order without a deadlock.
                                COMMAND has DLOCK_NAME_2, _TOKEN_2, _FENCE_2 and so on
      --at-least DURATION       once in a period: others are kept out for so long, also when COMMAND
                                ends earlier. If it ran or runs elsewhere, exits with 0, or N of -E
      --at-most DURATION        ... COMMAND has so long and is ended then (default 1h)
      --ttl DURATION            how long the lock outlives a crash; renewed meanwhile (default 30s)
      --no-renew                do not renew: COMMAND has the lock for --ttl and is ended then
      --min-replicas N          run COMMAND only if N replicas have the lock too, else exit with 69
      --replication-timeout D   ... after the DURATION D (default 1s)
      --kill-after DURATION     from TERM to KILL when COMMAND must end (default 10s)
  -c, --command STRING          run STRING with /bin/sh
      --url URL                 where the locks are: redis://[user[:password]@]host[:port][/db],
                                rediss: (TLS), redis+{sentinel,cluster,quorum,unix}:, local:;
                                default: DLOCK_URL, which hides a password from ps, else local:
      --prefix TEXT             put before NAME to make the key
      --label TEXT              what 'dlock ls' shows about us (default: COMMAND)
  -v, --verbose                 tell on stderr what happens
  -h, --help                    this text

DURATION is 250ms, 30s, 5m, 1h, or seconds as 1.5. Options stand before NAME, --and also behind it.

Without -s, -x and --permits NAME is a mutex. A mutex, a reader-writer lock and a semaphore of one
NAME do not guard against each other: the second to come is refused with an error.

COMMAND gets our stdin, stdout and stderr, and a process group of its own. The lock is released when
COMMAND ends; what it then leaves running is not waited for. Signals sent to dlock go to its group;
TERM, INT, HUP and QUIT also to all else that it started, which has --kill-after to end when COMMAND
has ended, or was killed. When the lock is lost, or is about to be, all get TERM, then KILL, in any
case before another can have the lock; also when dlock is killed, or stopped (Ctrl-Z) for too long.

Environment: COMMAND has DLOCK_NAME, DLOCK_TOKEN, DLOCK_FENCE (grows with each holder: pass it on to
what can refuse older ones), DLOCK_TTL_MS, DLOCK_HELD (tells deadlocks), and DLOCK_URL without the
password: a nested 'dlock run' on a server with a password needs a --url of its own.

Exit status: COMMAND's own; 128+N if signal N ended it; 127 not found, 126 not executable; 75 lock
not obtained, or a deadlock; 73 lock lost; 69 server unusable, or too few replicas; 64 usage.
)";

constexpr std::string_view help_elect =
    R"(Usage: dlock elect [OPTION...] NAME [--value VALUE] [--] COMMAND [ARG...]
       dlock elect [OPTION...] -c STRING NAME
       dlock elect --listen|--show [--json] NAME

Campaigns in the election NAME, proclaims VALUE and runs COMMAND for as long as it leads.

  dlock elect web --value "$HOSTNAME:8080" -- ./serve
  dlock elect --ttl 5s web -- ./serve     another takes over 5 s after this machine died
  dlock elect -n web -- ./serve           only if nobody leads, else exit with 75
  dlock elect --show web                  who leads now, or exit with 75
  dlock elect --listen web                who leads, and each change, until it is interrupted

      --value VALUE             what --show and --listen tell of us (default: this host's name)
      --listen                  a line for each change, the first for what is so now:
                                "elected TERM VALUE", "proclaimed TERM VALUE" or "vacant"
      --show                    only VALUE of who leads
      --json                    ... as objects, with value (if it is not UTF-8 also value_base64),
                                term, revision, and of --listen change
  -n, --nonblock                do not wait
  -w, --wait DURATION           wait at most so long
  -E, --conflict-exit-code N    exit with N, not 75, when another leads
      --ttl DURATION            how long the leadership outlives a crash; renewed meanwhile
                                (default 30s)
      --min-replicas N          lead only if N replicas have the lock too, else exit with 69
      --replication-timeout D   ... after the DURATION D (default 1s)
      --kill-after DURATION     from TERM to KILL when COMMAND must end (default 10s)
  -c, --command STRING          run STRING with /bin/sh
      --url URL                 where the election is (see 'dlock run --help')
      --prefix TEXT             put before NAME to make the key
      --label TEXT              what 'dlock ls' shows about us (default: COMMAND)
  -v, --verbose                 tell on stderr what happens
  -h, --help                    this text

The leader holds the mutex NAME: what 'dlock run --help' says of locks, signals, the environment and
the exit status is so here too. DLOCK_FENCE is the term. When COMMAND ends, we resign; when the
leadership is lost, COMMAND is ended before another can lead. Start dlock again to campaign again.
)";

constexpr std::string_view help_latch = R"(Usage: dlock latch [OPTION...] --count N NAME

Waits until the latch NAME was counted down to zero, from any machine; or counts it down.

  dlock latch --count 3 ready             wait until three have counted
  dlock latch --count 3 -w 5m ready       ... for 5 minutes at most, else exit with 75
  dlock latch --count 3 --down ready      one of the three
  dlock latch --show ready                how many are left, and who waits

      --count N        from where it counts: the same N everywhere
      --down           count down, and do not wait
      --by N           ... by N (default 1)
      --keep DURATION  how long it is known after its last use (default 1h): use a fresh NAME for
                       each occasion
      --show           only look: how many are left, which programs have joined, and which wait,
                       for how long
      --json           ... as an object: name, count, left, broken, joined, waiters
  -w, --wait DURATION  wait at most so long
      --url URL        where it is (see 'dlock run --help')
      --prefix TEXT    put before NAME to make the key
  -h, --help           this text

Exit status: 0 at zero, counted, or shown; 75 not in time, or not there to be shown; 73 broken: the
server lost it, or a program that had joined it died.
)";

constexpr std::string_view help_barrier = R"(Usage: dlock barrier [OPTION...] --parties N NAME

Waits until N programs, on any machines, have arrived at the barrier NAME; then all go on, and it is
closed for the next time.

  dlock barrier --parties 3 phase         once in each of three programs, between their phases
  dlock barrier --parties 3 -w 5m phase   wait 5 minutes at most, else exit with 75 and break it
  dlock barrier --parties 3 --reset phase make a broken one whole
  dlock barrier --show phase              who has arrived

      --parties N      how many must arrive: the same N everywhere
      --reset          begin a new phase, and do not wait
      --show           only look: which programs have joined, and which have arrived, with the time
                       since each was heard of; after 15 s it breaks the barrier
      --json           ... as an object: name, parties, phase, broken, joined, arrived
  -w, --wait DURATION  wait at most so long
      --url URL        where it is (see 'dlock run --help')
      --prefix TEXT    put before NAME to make the key
  -h, --help           this text

Exit status: 0 all have arrived, or shown; 75 not in time, or not there to be shown; 73 broken: one
who waited died or gave up.
)";

constexpr std::string_view help_ls = R"(Usage: dlock ls [OPTION...] [PATTERN]

Lists the locks that are held or waited for.

  dlock ls                                all
  dlock ls 'deploy-*'                     a glob: * ? [abc]
  dlock ls --json | jq -r '.[].name'

      --url URL        where the locks are (see 'dlock run --help')
      --prefix TEXT    only keys that begin with TEXT, which is not shown
      --json           a JSON array of what 'dlock info --json' gives
  -h, --help           this text
)";

constexpr std::string_view help_info = R"(Usage: dlock info [OPTION...] NAME

Shows what a lock is, who holds it, since when, by which fence, until when, and who waits, in order.

  dlock info backup
  dlock info --json backup | jq -r .fence

      --url URL        where the locks are (see 'dlock run --help')
      --prefix TEXT    put before NAME to make the key
      --json           for programs: one object; fences are strings, times are milliseconds,
                       ttl_left_ms is null for a lock without an end. In names that are not UTF-8
                       U+FFFD stands for a wrong byte, and name_base64 has the bytes themselves.
                       kind is mutex, shared_mutex, semaphore, or null for a free lock; holders has
                       all of them, the first of which is also in fence, token and holder
  -h, --help           this text
)";

constexpr std::string_view help_deadlocks = R"(Usage: dlock deadlocks [OPTION...]

Shows rings of holders that wait for each other's locks, of waits that have lasted 2 s or longer.
Such a ring ends by itself: after some seconds one of the waits gives up (of 'dlock run', with 75).

  dlock run a -- dlock run b -- ./work    on one machine, and on another
  dlock run b -- dlock run a -- ./work    at the same time: a ring
  dlock deadlocks

      --url URL        where the locks are (see 'dlock run --help')
      --prefix TEXT    left out of the names
      --json           an array of rings; a ring is an array of name and holder, each of which waits
                       for the next, the last for the first
  -h, --help           this text
)";

constexpr std::string_view help_doctor = R"(Usage: dlock doctor [OPTION...]

Looks at the servers that --url leads to, changes nothing, and says what endangers or hinders locks
there, why that matters, and what to do.

  dlock doctor                            all it finds, also what is as it should be
  dlock doctor --prefix app:              of a user whose names begin with app:
  dlock doctor --clock 1m                 watch the clocks for longer, to see a smaller drift
  dlock doctor --json | jq -r '.findings[] | select(.grade == "danger") | .what'
  dlock doctor >/dev/null || ./alert      its status is that of a check for Nagios

Each finding has a grade:
  ok       as it should be
  note     good to know, or could not be found out: then the line says which right is missing
  warning  one fault (a crash, a restart, a failover) away from locks that are lost or cannot be had
  danger   locks can be lost, or cannot be had, as things are

It tells for each server: whether it answers, its role and version (node); the time for a request
(round_trip); how far its clock is from this machine's and how fast it moves away, each with an
uncertainty from the round trip (clock); whether it may drop locks when it is full (eviction); what
a restart would lose (persistence); how many more clients fit (clients); scripts and pubsub, its
limits for these; and of the primary: how far behind its replicas are (replication), which rights
our user lacks (rights), keys of ours that never expire (keys), and queues whose waiters are all
gone (queues). With redis+sentinel: also each Sentinel (sentinel), and whether the servers' clocks
agree.

      --url URL         where the locks are (see 'dlock run --help')
      --prefix TEXT     what the names of your locks begin with: for rights and keys
      --clock DURATION  how long to watch the clocks (default 1s)
      --keys N          how many keys to walk over at most (default 1000000); 0: none
      --json            for programs: one object, described in docs/operations.md
  -h, --help            this text

Exit status: 0 nothing worse than a note; 1 a warning; 2 a danger; 69 the server is unreachable or
does not let us in.
)";

constexpr std::string_view help_break = R"(Usage: dlock break [OPTION...] NAME --fence FENCE

Takes the lock NAME away from the holder with that fence, never from a later one; who waits goes on.
The former holder learns of the loss, but nothing stops it from acting before it does.

  dlock info backup                       shows holder and fence
  dlock break backup --fence 110292929

      --fence FENCE    whose turn it is to lose it
      --url URL        where the locks are (see 'dlock run --help')
      --prefix TEXT    put before NAME to make the key
      --json           for programs: name, fence, outcome ("broken" or "not_holder"), and in lock
                       what 'dlock info --json' gives afterwards
  -h, --help           this text

Exit status: 0 taken away; 75 nobody holds it by that fence (any more), and nothing was changed.
)";

}  // namespace

std::string help_text(std::string_view command) {
  if (command == "run") return std::string{help_run};
  if (command == "elect") return std::string{help_elect};
  if (command == "latch") return std::string{help_latch};
  if (command == "barrier") return std::string{help_barrier};
  if (command == "ls") return std::string{help_ls};
  if (command == "info") return std::string{help_info};
  if (command == "deadlocks") return std::string{help_deadlocks};
  if (command == "doctor") return std::string{help_doctor};
  if (command == "break") return std::string{help_break};
  return std::string{help_main};
}

}  // namespace dlock::cli
