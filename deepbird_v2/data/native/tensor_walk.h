// Checks tensors inside a DataRecord without building them; the Python twin is _tensor_walk.py.
#pragma once

#include "cursor.h"

namespace deepbird {

void walk_general_tensor(Cursor& cursor);
void walk_sparse_tensor(Cursor& cursor);

}  // namespace deepbird
