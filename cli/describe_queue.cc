// pannierctl describe queue QUEUE
#include <algorithm>

#include "cli/describe.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

namespace pannier::cli {

Result<void> describe_queue(const Options& options, const std::string& name) {
  const auto view = look(options);
  if (!view) return view.error();
  const auto queue = find_queue(*view, name);
  if (!queue) return queue.error();
  warn_of(*view);
  if (options.output == Output::json) return print(description_json(*view, *queue));
  return print(description_text(*view, *queue, wall_now()));
}

}  // namespace pannier::cli
