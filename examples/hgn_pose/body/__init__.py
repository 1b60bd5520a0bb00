"""Human bodies: skeleton, mesh, bones, skin, shapes and poses."""
