//! Plans, applies and runs a stack.
