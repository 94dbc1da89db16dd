// Help texts: examples first. The build makes the manual pages (cmake/man_page.awk) and the shells'
// completions from them: keep the headings, and two spaces before each description.
#include "cli/arguments/help.hpp"

namespace dlock::cli {

namespace {

constexpr std::string_view help_main =
    R"(dlock: run programs one at a time, on one machine or on many

  dlock run backup -- ./backup.sh         wait for the lock "backup", then run it
  dlock run -n backup -- ./backup.sh      do not run it if somebody else holds the lock
  dlock run --permits 4 gpu -- ./train    run it when fewer than four others do
  dlock run --at-least 5m job -- ./job    from cron on many machines: one of them runs it
  dlock elect web -- ./serve              run it while this machine leads
  dlock latch --count 3 ready             wait until three programs have called --down
  dlock barrier --parties 3 phase         wait until three programs have arrived
  dlock ls                                list the locks, their holders, and how many wait
  dlock top                               watch the locks in a live view
  dlock serve                             show the locks to browsers and Prometheus
  dlock info backup                       show one lock
  dlock deadlocks                         show holders that wait for each other
  dlock doctor                            find what endangers locks on the servers
  dlock break backup --current            take the lock away from its holder
  dlock config                            show which server is in force, and who says so

Redis keeps the locks: give its address as --url redis://host, in DLOCK_URL, or as a line
'url = redis://host' in /etc/dlock/config. Without an address, dlock uses local:, a private server
that it starts on this machine. Programs on two machines then do not exclude each other. 'dlock run'
says so if it has no terminal; DLOCK_REQUIRE_URL=1 or a line 'require_url = yes' refuses it.

'dlock run --help' explains a command; 'dlock --version' prints the version.

Environment: DLOCK_URL is the server if there is no --url; it may not be empty. If DLOCK_REQUIRE_URL
is 1, dlock refuses to run without a URL. DLOCK_LOCAL_DIR is the directory of local:, instead of
~/.local/state/dlock. If NO_COLOR is set, dlock prints no colours.

Files: ~/.config/dlock/config (in XDG_CONFIG_HOME, if that is set), and /etc/dlock/config for all
users, which counts less. 'dlock config --help' explains them.

Exit status: 69 if the server cannot be reached or refuses, 64 for wrong usage.
)";

constexpr std::string_view help_run =
    R"(Usage: dlock run [OPTION...] NAME [--and NAME]... [--] COMMAND [ARG...]
       dlock run [OPTION...] -c STRING NAME

Waits for the lock NAME, runs COMMAND while it holds the lock, and releases it.

  dlock run backup -- ./backup.sh --full          wait without a limit
  dlock run -w 5m backup -- ./backup.sh           wait for 5 minutes at most, else exit with 75
  dlock run -n -E 0 backup -- ./backup.sh         do nothing if it runs elsewhere already
  dlock run -c 'sort in >out && mv out in' in     run a shell command
  dlock run --ttl 5s leader -- ./serve            others take over 5 s after this machine crashed
  dlock run -s site -- ./serve-pages              beside others with -s, never beside one with -x
  dlock run --permits 4 --weight 2 gpu -- ./fit   take 2 of the 4 permits
  dlock run --at-least 5m nightly -- ./report     from cron on many machines: one of them runs it
  dlock run alice --and bob -- ./transfer         hold both locks, or wait without either

  -n, --nonblock                do not wait
  -w, --wait DURATION           wait at most this long, also for a server that starts later
  -E, --conflict-exit-code N    exit with N, not 75, if the lock was not obtained
  -s, --shared                  lock as a reader: beside other readers
  -x, --exclusive               lock as the writer: alone. Waiting readers and writers take turns
      --permits N               NAME is a semaphore with N permits; say the same N everywhere
      --weight W                take W of the permits (default 1)
      --and NAME                lock this mutex too: all or none, in any order, without a deadlock.
                                COMMAND gets DLOCK_NAME_2, _TOKEN_2, _FENCE_2 and so on
      --at-least DURATION       run once in a period: keep others out this long, even after COMMAND
                                has ended. If it ran already or runs elsewhere, exit with 0, or -E
      --at-most DURATION        end COMMAND after this long (default 1h); only with --at-least
      --ttl DURATION            how long the lock outlives a crash of dlock (default 30s); dlock
                                renews it meanwhile
      --no-renew                do not renew: end COMMAND when the ttl is over
      --min-replicas N          run COMMAND only if N replicas have the lock too, else exit with 69
      --replication-timeout D   wait for the replicas for the DURATION D at most (default 1s)
      --kill-after DURATION     time from TERM to KILL when COMMAND must end (default 10s)
  -c, --command STRING          run STRING with /bin/sh
      --url URL                 the server: redis://[user[:password]@]host[:port][/db],
                                rediss: (TLS), redis+{sentinel,cluster,quorum,unix}:, or local:.
                                Default: what 'dlock config' shows. DLOCK_URL hides it from ps
      --prefix TEXT             text before NAME, which together make the key (default: none)
      --label TEXT              text that 'dlock ls' shows (default: COMMAND)
  -v, --verbose                 report on stderr what happens
  -h, --help                    print this text

DURATION is 250ms, 30s, 5m, 1h, or seconds such as 1.5. Options go before NAME; --and may follow it.

Without -s, -x and --permits, NAME is a mutex. While a NAME is in use as one kind of lock, dlock
refuses to use it as another kind.

COMMAND gets dlock's stdin, stdout and stderr, and a process group of its own. When COMMAND ends,
dlock releases the lock, and does not wait for what COMMAND leaves running. It passes signals on to
the group. TERM, INT, HUP and QUIT also go to every other process that COMMAND started; these have
--kill-after to end. If the lock is lost, all of them get TERM, then KILL, before somebody else can
have the lock; also if dlock is killed, or stopped (Ctrl-Z) for too long.

Environment: COMMAND gets DLOCK_NAME, DLOCK_TOKEN, DLOCK_FENCE (it grows with each holder, so that a
resource can reject older ones), DLOCK_TTL_MS, DLOCK_HELD (which finds deadlocks), and DLOCK_URL
without the password: if there is one, a 'dlock run' inside COMMAND needs --url or a configuration.

Exit status: that of COMMAND, or 128+N if signal N ended it; 127 not found, 126 not executable; 75
lock not obtained, or a deadlock; 73 lock lost; 69 server unusable, or too few replicas; 64 usage.
)";

constexpr std::string_view help_elect =
    R"(Usage: dlock elect [OPTION...] NAME [--value VALUE] [--] COMMAND [ARG...]
       dlock elect [OPTION...] -c STRING NAME
       dlock elect --listen|--show [--json] NAME

Waits until this machine leads the election NAME, publishes VALUE, and runs COMMAND while it leads.

  dlock elect web --value "$HOSTNAME:8080" -- ./serve
  dlock elect --ttl 5s web -- ./serve     another takes over 5 s after this machine crashed
  dlock elect -n web -- ./serve           only if nobody leads, else exit with 75
  dlock elect --show web                  print the leader's VALUE, or exit with 75
  dlock elect --listen web                print the leader and each change, until interrupted

      --value VALUE             text that --show and --listen print (default: this host's name)
      --listen                  print a line for the present state and for each change:
                                "elected TERM VALUE", "proclaimed TERM VALUE" or "vacant"
      --show                    print the leader's VALUE
      --json                    print objects with value (and value_base64 if that is not UTF-8),
                                term, revision and, with --listen, change
  -n, --nonblock                do not wait
  -w, --wait DURATION           wait at most this long, also for a server that starts later
  -E, --conflict-exit-code N    exit with N, not 75, if somebody else leads
      --ttl DURATION            how long the leadership outlives a crash of dlock (default 30s);
                                dlock renews it meanwhile
      --min-replicas N          lead only if N replicas have the lock too, else exit with 69
      --replication-timeout D   wait for the replicas for the DURATION D at most (default 1s)
      --kill-after DURATION     time from TERM to KILL when COMMAND must end (default 10s)
  -c, --command STRING          run STRING with /bin/sh
      --url URL                 the server (see 'dlock run --help')
      --prefix TEXT             text before NAME, which together make the key
      --label TEXT              text that 'dlock ls' shows (default: COMMAND)
  -v, --verbose                 report on stderr what happens
  -h, --help                    print this text

The leader holds the mutex NAME, and DLOCK_FENCE is the term. 'dlock run --help' explains signals,
the environment and the exit status. When COMMAND ends, dlock resigns. If the leadership is lost,
dlock ends COMMAND before somebody else can lead; start dlock again to campaign again.
)";

constexpr std::string_view help_latch =
    R"(Usage: dlock latch [OPTION...] --count N NAME

Waits until programs on any machines have counted the latch NAME down to zero; or counts it down.

  dlock latch --count 3 ready             wait until three programs have counted
  dlock latch --count 3 -w 5m ready       wait for 5 minutes at most, else exit with 75
  dlock latch --count 3 --down ready      count down by one
  dlock latch --show ready                show how many are left, and who waits

      --count N        the initial count; say the same N everywhere
      --down           count down, and do not wait
      --by N           count down by N (default 1)
      --keep DURATION  how long the latch exists after its last use (default 1h); use a new NAME for
                       each occasion
      --show           show how many are left, which programs have joined, and which wait, how long
      --json           print an object: name, count, left, broken, joined, waiters
  -w, --wait DURATION  wait at most this long
      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    text before NAME, which together make the key
  -h, --help           print this text

Exit status: 0 at zero, counted, or shown; 75 not in time, or no such latch to show; 73 broken: the
server lost the latch, or a program that had joined it died.
)";

constexpr std::string_view help_barrier =
    R"(Usage: dlock barrier [OPTION...] --parties N NAME

Waits until N programs on any machines have arrived at the barrier NAME. Then all of them go on, and
the barrier is closed again.

  dlock barrier --parties 3 phase         call it in each of three programs, between their phases
  dlock barrier --parties 3 -w 5m phase   after 5 minutes break the barrier, and exit with 75
  dlock barrier --parties 3 --reset phase repair a broken barrier
  dlock barrier --show phase              show who has arrived

      --parties N      how many programs must arrive; say the same N everywhere
      --reset          begin a new phase, and do not wait
      --show           show which programs have joined, and which have arrived, with the time since
                       the server last heard of each; after 15 s the barrier breaks
      --json           print an object: name, parties, phase, broken, joined, arrived
  -w, --wait DURATION  wait at most this long
      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    text before NAME, which together make the key
  -h, --help           print this text

Exit status: 0 all have arrived, or shown; 75 not in time, or no such barrier to show; 73 broken: a
program that waited died or gave up.
)";

constexpr std::string_view help_ls =
    R"(Usage: dlock ls [OPTION...] [PATTERN]

Lists the locks that somebody holds or waits for.

  dlock ls                                all locks
  dlock ls 'deploy-*'                     those that match a glob: * ? [abc]
  dlock ls --json | jq -r '.[].name'

'dlock top' shows them live.

      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    list only keys that begin with TEXT, and print names without it
      --json           print an array of what 'dlock info --json' prints
  -h, --help           print this text
)";

constexpr std::string_view help_top =
    R"(Usage: dlock top [OPTION...] [PATTERN]
       dlock top --once [--json] [OPTION...] [PATTERN]

Shows the locks that somebody holds or waits for, live: how long they have been held, their ttl, how
many wait and how long, and how often they change hands.

  dlock top                               all locks, those with the longest queues first
  dlock top 'deploy-*' --sort longest     only these, those with the longest wait first
  dlock top --once                        print them once
  dlock top --once --json | jq '.locks[] | select(.longest_wait_ms > 60000) | .name'

      --once               print the locks once, after a second
      --json               print an object with totals, locks, deadlocks, waits (which holder waits for
                           which lock) and problem. A lock is what 'dlock info --json' prints, with
                           longest_wait_ms, handoffs_per_s and election
      --sort KEY           waiters (default), longest, held, ttl, handoffs, or name
      --reverse            turn the order around
      --filter TEXT        only locks with TEXT in their name or holder; with *, ? or [abc] it is a
                           glob for the name
      --interval DURATION  how often the view is drawn, and how often all keys are read if the limit
                           allows it (default 1s)
      --max-commands N     send the servers at most N commands a second (default 50); ten short ones
                           count as one
      --url URL            the server (see 'dlock run --help')
      --prefix TEXT        list only keys that begin with TEXT, and print names without it
  -h, --help               print this text

Keys: up and down select a lock, enter shows it with its queue, escape goes back, s sorts by another
column, / filters, d shows deadlocks, ? explains all keys, q quits.

dlock top only reads. It looks at the locks on the screen four times a second, and at all others when
it reads the keys. HELD, TTL and the waits are by the server's clock. H/S is an estimate, and the true
number may be higher: threads of one process pass a lock on without the server.
)";

constexpr std::string_view help_serve =
    R"(Usage: dlock serve [OPTION...] [PATTERN]

Shows the locks that somebody holds or waits for to browsers and programs, over HTTP, until a signal
ends it.

  dlock serve                             on http://127.0.0.1:8650/
  dlock serve --listen 127.0.0.1:0        on a free port, which it prints
  dlock serve --metrics-lock 'deploy-*'   with series of these locks for Prometheus
  curl http://127.0.0.1:8650/api/v1/locks

      --listen ADDRESS     the address, and behind a colon the port (default 127.0.0.1:8650)
      --allow-host NAME    a name under which others may ask for this server, beside localhost and
                           addresses; repeat it for more
      --allow-break FILE   let those take locks away who know the token in the first line of FILE,
                           at least 16 characters
      --metrics-lock GLOB  locks that have series of their own (200 at most); repeat it for more
      --metrics-busiest N  so many of the other locks have them too (default 20)
      --max-commands N     send the servers at most N commands a second (default 50); ten short ones
                           count as one
      --url URL            the server (see 'dlock run --help')
      --prefix TEXT        show only keys that begin with TEXT, and names without it
  -h, --help               print this text

Paths: /metrics for Prometheus; /healthz has status 200 if the store can be read, else 503;
/leader/NAME has status 200 if somebody leads the election NAME, else 503, for load balancers;
/api/v1/locks, /api/v1/locks/NAME, /api/v1/elections, /api/v1/gates, /api/v1/history, /api/v1/doctor,
/api/v1/about, /api/v1/events and /api/v1/break are JSON, which docs/operations.md describes.

Without --allow-break, dlock serve only reads. However many clients it has, the servers answer only
one.

Exit status: 0 ended by a signal; 69 the address cannot be used.
)";

constexpr std::string_view help_info =
    R"(Usage: dlock info [OPTION...] NAME

Shows one lock: its kind, its holders with their fences and times, and the waiters in their order.

  dlock info backup
  dlock info --json backup | jq -r .fence

      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    text before NAME, which together make the key
      --json           print one object. Fences are strings, times are milliseconds. ttl_left_ms is
                       null for a lock without an end. kind is mutex, shared_mutex, semaphore, or
                       null for a free lock. holders has all holders; fence, token and holder
                       describe the first. U+FFFD replaces a byte that is not UTF-8, and name_base64
                       then has the name's bytes
  -h, --help           print this text

A holder that has ended can still hold the lock: until its ttl is over if it was killed, or until
the end of its period if it was started with --at-least.
)";

constexpr std::string_view help_deadlocks =
    R"(Usage: dlock deadlocks [OPTION...]

Shows rings of holders that wait for each other's locks, when their waits have lasted 2 s or longer.
Such a ring ends by itself: after some seconds one of the waits gives up (its 'dlock run' exits
with 75).

  dlock run a -- dlock run b -- ./work    on one machine, and on another
  dlock run b -- dlock run a -- ./work    at the same time: a ring
  dlock deadlocks

      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    print names without this prefix
      --json           print an array of rings. A ring is an array of objects with name and holder;
                       each holder waits for the next lock, the last one for the first
  -h, --help           print this text
)";

constexpr std::string_view help_doctor =
    R"(Usage: dlock doctor [OPTION...]

Examines the servers of --url, and changes nothing. It says what endangers or hinders locks, why
that matters, and what to do.

  dlock doctor                            print all findings, also the good ones
  dlock doctor --prefix app:              for a user whose names begin with app:
  dlock doctor --clock 1m                 watch the clocks for longer, to see a smaller drift
  dlock doctor --json | jq -r '.findings[] | select(.grade == "danger") | .what'
  dlock doctor >/dev/null || ./alert      its exit status is that of a Nagios check

Each finding has a grade:
  ok       as it should be
  note     good to know, or could not be found out; the line then names the missing right
  warning  one fault (a crash, a restart, a failover) away from locks that are lost or unavailable
  danger   locks can be lost or are unavailable as things are

It examines each server: whether it answers, its role and version (node); the time for a request
(round_trip); how far its clock is from this machine's, and how fast it drifts, each with an
uncertainty from the round trip (clock); whether it may drop locks when it is full (eviction); what
a restart would lose (persistence); how many more clients fit (clients); and its limits for scripts
and for pubsub. On the primary also: how far its replicas are behind (replication), which rights the
user lacks (rights), which of dlock's keys never expire (keys), and which queues have only dead
waiters (queues). With redis+sentinel: also each Sentinel (sentinel), and whether the clocks of the
servers agree.

      --url URL         the server (see 'dlock run --help')
      --prefix TEXT     what the names of your locks begin with, for rights and keys
      --clock DURATION  how long to watch the clocks (default 1s)
      --keys N          how many keys to examine at most (default 1000000); 0 examines none
      --json            print one object, which docs/operations.md describes
  -h, --help            print this text

Exit status: 0 nothing worse than a note; 1 a warning; 2 a danger; 69 the server cannot be reached,
or refuses the login.
)";

constexpr std::string_view help_break =
    R"(Usage: dlock break [OPTION...] NAME --fence FENCE
       dlock break [OPTION...] NAME --current

Takes the lock NAME away from the holder that has this fence, never from a later one. The next
waiter gets the lock. dlock tells the former holder, but nothing stops that one until it listens.

  dlock break backup --current            take it from its holder, and print who that was
  dlock info backup                       show holder and fence
  dlock break backup --fence 110292929    take it from the holder that was shown

      --fence FENCE    the fence of the holder that shall lose the lock
      --current        the holder there is now, if it is the only one
      --url URL        the server (see 'dlock run --help')
      --prefix TEXT    text before NAME, which together make the key
      --json           print an object: name, fence, outcome ("broken" or "not_holder"), and lock,
                       which is what 'dlock info --json' prints afterwards
  -h, --help           print this text

Exit status: 0 taken away; 75 nobody holds the lock, or not by that fence, and nothing was changed.
)";

constexpr std::string_view help_config =
    R"(Usage: dlock config [--json]

Shows which server, prefix, ttl and label hold where the command line says nothing, and who says so.
It asks no server, and prints no password.

  dlock config                            print each setting, and where it was said
  dlock config --json | jq -r '.url.place // "nobody said a url"'
  DLOCK_URL= dlock config                 an empty variable is an error, not a private server

Of these, the first that says a setting counts: the option; DLOCK_URL or DLOCK_REQUIRE_URL; the
user's file; the system's file; the default.

A file has lines 'key = value', each of which is optional. A # at the start of a line, or behind a
blank, begins a comment.
  url = redis://app@db1    the server (see 'dlock run --help')
  prefix = app:            text before each NAME (--prefix)
  ttl = 1m                 how long a lock outlives a crash of dlock (--ttl)
  label = nightly          text that 'dlock ls' shows (--label)
  require_url = yes        refuse to run if nobody says a URL, instead of using local:

      --json  print an object with url, prefix, ttl_ms, label and require_url, each with value,
              source ("environment", "user", "system" or "default") and place; files (path, exists,
              problem); and exposed, the files with a password that everybody can read
  -h, --help  print this text

Only the command reads these files. Programs that use a library take the URL that they are given, or
DLOCK_URL; DLOCK_REQUIRE_URL holds for them too. COMMAND of 'dlock run' gets DLOCK_URL.

Exit status: 0 printed; 64 something in the configuration is wrong, which dlock names.
)";

}  // namespace

std::string help_text(std::string_view command) {
  if (command == "run") return std::string{help_run};
  if (command == "elect") return std::string{help_elect};
  if (command == "latch") return std::string{help_latch};
  if (command == "barrier") return std::string{help_barrier};
  if (command == "ls") return std::string{help_ls};
  if (command == "top") return std::string{help_top};
  if (command == "serve") return std::string{help_serve};
  if (command == "info") return std::string{help_info};
  if (command == "deadlocks") return std::string{help_deadlocks};
  if (command == "doctor") return std::string{help_doctor};
  if (command == "break") return std::string{help_break};
  if (command == "config") return std::string{help_config};
  return std::string{help_main};
}

}  // namespace dlock::cli
