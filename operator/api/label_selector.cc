#include "operator/api/label_selector.h"

#include <algorithm>

namespace pannier::api {
namespace {

bool holds(const LabelExpression& expression, const std::map<std::string, std::string>& labels) {
  const auto label = labels.find(expression.key);
  const bool exists = label != labels.end();
  const auto is_listed = [&] {
    return std::find(expression.values.begin(), expression.values.end(), label->second) !=
           expression.values.end();
  };
  switch (expression.op) {
    case LabelOperator::in: return exists && is_listed();
    case LabelOperator::not_in: return !exists || !is_listed();
    case LabelOperator::exists: return exists;
    case LabelOperator::does_not_exist: return !exists;
  }
  return false;
}

}  // namespace

bool selects(const LabelSelector& selector, const std::map<std::string, std::string>& labels) {
  const auto has = [&](const auto& wanted) {
    const auto label = labels.find(wanted.first);
    return label != labels.end() && label->second == wanted.second;
  };
  return std::all_of(selector.match_labels.begin(), selector.match_labels.end(), has) &&
         std::all_of(selector.match_expressions.begin(), selector.match_expressions.end(),
                     [&](const LabelExpression& each) { return holds(each, labels); });
}

}  // namespace pannier::api
