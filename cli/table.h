// Table: rows under a head, columns aligned by what they take on a screen.
//
// A value; one thread. Cells are made harmless here, so that no text of others drives a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pannier::cli {

struct Column {
  enum class Align : std::uint8_t { left, right };
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns; an empty one is shown as "-".
  void add(const std::vector<std::string>& cells);
  bool empty() const { return rows_.empty(); }
  // Every line with `indent` blanks before it, and none at its end.
  std::string text(std::size_t indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pannier::cli
