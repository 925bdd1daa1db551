"""Care of a store, also while it is served: plain blocking code, for a process of its own."""
