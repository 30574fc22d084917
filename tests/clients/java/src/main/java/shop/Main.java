package shop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.LinkedHashMap;
import java.util.Map;

/** Plays the scenarios that it is told to, one after the other; see Scenarios in program.py. */
public final class Main {
  interface Scenario {
    void play(Broker broker) throws Exception;
  }

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, Scenario> scenarios = new LinkedHashMap<>();
    ClientScenarios.addTo(scenarios);
    TroubleScenarios.addTo(scenarios);
    SpringScenarios.addTo(scenarios);
    SpringTroubleScenarios.addTo(scenarios);
    System.out.println("scenarios " + String.join(" ", scenarios.keySet()));
    var commands = new BufferedReader(new InputStreamReader(System.in));
    var broker = new Broker(commands);
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String name = line.split(" ")[1];
      try {
        scenarios.get(name).play(broker);
        System.out.println("passed " + name);
      } catch (Throwable failure) {
        failure.printStackTrace(System.out);
        System.out.println("failed " + name);
      }
    }
    System.exit(0);
  }
}
