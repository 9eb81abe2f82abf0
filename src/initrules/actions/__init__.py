"""The actions: one frozen class each, its fields the YAML arguments, its docstring the manual."""
