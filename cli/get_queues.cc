// pannierctl get queues
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

namespace pannier::cli {

Result<void> get_queues(const Options& options) {
  const auto view = look(options);
  if (!view) return view.error();
  warn_of(*view);
  const auto queues = queues_of(*view);
  if (options.output == Output::json) return print(queues_json(queues));
  if (queues.empty()) {
    warn(view->is_local && !options.all_namespaces
             ? "no queues in namespace '" + options.namespace_name + "' (all of them: -A)"
             : "no queues on '" + view->place + "'");
    return {};
  }
  return print(queues_table(queues, options, wall_now()));
}

}  // namespace pannier::cli
