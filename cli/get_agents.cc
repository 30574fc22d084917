// pannierctl get agents
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

namespace pannier::cli {

Result<void> get_agents(const Options& options) {
  const auto view = look(options);
  if (!view) return view.error();
  for (const std::string& warning : view->warnings) warn(warning);
  if (options.output == Output::json) return print(agents_json(*view));
  if (view->agents.empty()) {
    warn("no pods with an agent" +
         (options.all_namespaces
              ? std::string()
              : " in namespace '" + options.namespace_name + "' (all of them: -A)"));
    return {};
  }
  auto printed = print(agents_table(*view, options, wall_now()));
  for (const Agent& agent : view->agents)
    if (agent.is_silent()) warn("agent '" + agent.pod + "' does not answer: " + agent.why_silent);
  return printed;
}

}  // namespace pannier::cli
