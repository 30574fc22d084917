package shop;

import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What a scenario expects, and how long it waits for it. */
final class Check {
  static final int LIMIT_S = 60;

  private Check() {}

  static void same(Object wanted, Object found) {
    if (!Objects.deepEquals(wanted, found)) {
      throw new AssertionError("wanted " + text(wanted) + ", found " + text(found));
    }
  }

  static void that(boolean isSo, String what) {
    if (!isSo) {
      throw new AssertionError("not so: " + what);
    }
  }

  static void happens(CountDownLatch latch) throws InterruptedException {
    that(latch.await(LIMIT_S, TimeUnit.SECONDS), "it happens; " + latch.getCount() + " to go");
  }

  static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T found = queue.poll(LIMIT_S, TimeUnit.SECONDS);
    that(found != null, "something comes");
    return found;
  }

  /** The failure of that type that it ends with. */
  static <E extends Throwable> E fails(Class<E> type, Callable<?> action) {
    try {
      action.call();
    } catch (Throwable failure) {
      for (Throwable each = failure; each != null; each = each.getCause()) {
        if (type.isInstance(each)) {
          return type.cast(each);
        }
      }
      throw new AssertionError("fails otherwise", failure);
    }
    throw new AssertionError("does not fail");
  }

  private static String text(Object value) {
    return value instanceof Object[] array ? Arrays.deepToString(array) : String.valueOf(value);
  }
}
