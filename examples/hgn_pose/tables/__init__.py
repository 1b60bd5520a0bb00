"""The paper's tables: what they compare, and how runs become rows."""
