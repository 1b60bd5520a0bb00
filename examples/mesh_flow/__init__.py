"""Heat carried by a flow past warm cylinders, learned on meshes of several scales."""
