// Driver of the Java peers: Redisson's RLock and RFairLock. Protocol: bench/driver.py.

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.redisson.Redisson;
import org.redisson.api.RLock;
import org.redisson.api.RedissonClient;
import org.redisson.config.Config;

public final class Driver {
  private static final long PID = ProcessHandle.current().pid();

  private final RedissonClient client;
  private final boolean fair;
  private final boolean own;
  private final String name;
  private final int workers;
  private final int count;
  private final int holdMs;
  private final String file;
  private final List<List<long[]>> samples = new ArrayList<>();
  private final AtomicInteger errors = new AtomicInteger();

  private Driver(String url, String[] words) {
    fair = words[1].equals("redisson-fair");
    own = words[2].equals("own");
    name = words[3];
    workers = Integer.parseInt(words[4]);
    count = Integer.parseInt(words[5]);
    holdMs = Integer.parseInt(words[6]);
    file = words[8];
    Config config = new Config();
    config.setLockWatchdogTimeout(Long.parseLong(words[7]));
    config.useSingleServer().setAddress(url).setConnectionMinimumIdleSize(1)
        .setConnectionPoolSize(Math.max(8, workers)).setSubscriptionConnectionMinimumIdleSize(1);
    client = Redisson.create(config);
    for (int worker = 0; worker < workers; ++worker) {
      samples.add(new ArrayList<>());
      RLock lock = lockOf("warm:" + PID + ":" + worker);
      lock.lock();
      lock.unlock();
    }
  }

  private RLock lockOf(String lockName) {
    return fair ? client.getFairLock(lockName) : client.getLock(lockName);
  }

  private static void sleepNs(long ns) throws InterruptedException {
    if (ns > 0) Thread.sleep(ns / 1_000_000, (int) (ns % 1_000_000));
  }

  // System.nanoTime() is CLOCK_MONOTONIC here.
  private void work(int worker, long begin, long end) {
    RLock lock = lockOf(own ? name + ":" + PID + ":" + worker : name);
    List<long[]> mine = samples.get(worker);
    try {
      sleepNs(begin - System.nanoTime());
      for (int done = 0; (count == 0 || done < count) && System.nanoTime() < end; ++done) {
        long asked = System.nanoTime();
        lock.lock();
        long acquired = System.nanoTime();
        if (holdMs > 0) Thread.sleep(holdMs);
        long releasing = System.nanoTime();
        lock.unlock();
        mine.add(new long[] {worker, asked, acquired, releasing, System.nanoTime()});
      }
    } catch (Exception error) {
      errors.incrementAndGet();
      System.err.println(error);
    }
  }

  private int go(long begin, long end) throws IOException, InterruptedException {
    List<Thread> threads = new ArrayList<>();
    for (int worker = 0; worker < workers; ++worker) {
      int number = worker;
      threads.add(new Thread(() -> work(number, begin, end)));
    }
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    int total = 0;
    try (DataOutputStream out =
        new DataOutputStream(new BufferedOutputStream(new FileOutputStream(file)))) {
      for (List<long[]> mine : samples) {
        total += mine.size();
        for (long[] sample : mine) {
          for (long field : sample) out.writeLong(Long.reverseBytes(field));
        }
      }
    }
    client.shutdown();
    return total;
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    System.out.println("ready");
    Driver driver = null;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.trim().split(" ");
      if (words[0].equals("start")) {
        driver = new Driver(arguments[0], words);
        System.out.println("armed");
      } else if (words[0].equals("go")) {
        int total = driver.go(Long.parseLong(words[1]), Long.parseLong(words[2]));
        System.out.println("done " + total + " " + driver.errors.get());
      }
    }
    System.exit(0);
  }
}
