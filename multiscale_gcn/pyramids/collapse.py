"""Edges of a triangle mesh collapsed one by one, that of the least quadric error first, in Numba.

Where an edge collapses, the vertex ``gone`` merges into the vertex ``kept``. Of all such pairs the
one with the smallest (error, kept, gone) comes first. It is refused, for the time being, if

- the mesh would be no surface any more. An edge may collapse if and only if what the links of its
  ends have in common is its own link, with one further vertex on all boundaries: Dey, Edelsbrunner,
  Guha and Nekhayev, "Topology preserving edge contraction", Publications de l'Institut
  Mathématique 66, 1999;
- a face would turn by 90 degrees or more, or lose all of its area.

A vertex within the surface may merge into one on the boundary, and none the other way round. A pair
that was refused is looked at again when one of its ends has merged with another vertex, or when
nothing else is left.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from multiscale_gcn.compiled.kernel import kernel


@kernel()
def collapse(vertices, triangles, edges, on_boundary, quadrics, num_merges, optimal):
    """So many merges, or fewer where all are refused: kept [m], gone [m], place of kept [m, 3].

    Parameters
    ----------
    vertices : float64 [n, 3]
    triangles : int64 [F, 3], of a manifold with or without boundary
    edges : int64 [E, 2], each once
    on_boundary : bool [n]
    quadrics : float64 [n, 10]
    num_merges : int
    optimal : bool
        Whether the merged vertex stands where the error is least, and not where ``kept`` stood.
    """
    n = len(vertices)
    place, quadric, boundary = vertices.copy(), quadrics.copy(), on_boundary.copy()
    faces = triangles.copy()
    face_stands = np.ones(len(faces), np.bool_)
    stands = np.ones(n, np.bool_)
    first, last, following = _corners(faces, n)
    changed = np.zeros(n, np.int64)
    """Number of the merge that made each vertex what it is."""
    mark = np.zeros(n, np.int64)
    stamp = 0

    kept_of = np.empty(num_merges, np.int64)
    gone_of = np.empty(num_merges, np.int64)
    place_of = np.empty((num_merges, 3), np.float64)
    merges, merges_when_all_were_looked_at = 0, 0
    heap = [(0.0, 0, 0, 0)]
    heap.pop()
    for e in range(len(edges)):
        _suggest(heap, edges[e, 0], edges[e, 1], 0, place, quadric, boundary, optimal)
    target = np.empty(3, np.float64)
    while merges < num_merges:
        if len(heap) == 0:
            if merges == merges_when_all_were_looked_at:
                break
            merges_when_all_were_looked_at = merges
            for face in range(len(faces)):
                if face_stands[face]:
                    for k in range(3):
                        a, b = faces[face, k], faces[face, (k + 1) % 3]
                        _suggest(heap, a, b, merges, place, quadric, boundary, optimal)
            continue
        _, kept, gone, since = heappop(heap)
        if not (stands[kept] and stands[gone]) or since < max(changed[kept], changed[gone]):
            continue
        stamp += 2
        if not _stays_a_surface(kept, gone, faces, first, following, boundary, mark, stamp):
            continue
        _find_place(target, kept, gone, place, quadric, boundary, optimal)
        if _turns_a_face(gone, kept, target, place, faces, first, following) or (
            optimal and _turns_a_face(kept, gone, target, place, faces, first, following)
        ):
            continue

        kept_of[merges], gone_of[merges], place_of[merges] = kept, gone, target
        merges += 1
        place[kept] = target
        quadric[kept] += quadric[gone]
        boundary[kept] = boundary[kept] or boundary[gone]
        stands[gone] = False
        changed[kept] = merges
        _merge_stars(kept, gone, faces, face_stands, first, last, following)

        stamp += 2
        corner = first[kept]
        while corner >= 0:
            for k in range(3):
                other = faces[corner // 3, k]
                if other != kept and mark[other] != stamp:
                    mark[other] = stamp
                    _suggest(heap, kept, other, merges, place, quadric, boundary, optimal)
            corner = following[corner]
    return kept_of[:merges], gone_of[:merges], place_of[:merges]


@kernel()
def _corners(faces, n):
    """Of each vertex a linked list of the places where it stands in ``faces``, counted by rows."""
    first, last = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    following = np.full(3 * len(faces), -1, np.int64)
    for corner in range(3 * len(faces)):
        vertex = faces[corner // 3, corner % 3]
        if first[vertex] < 0:
            first[vertex] = corner
        else:
            following[last[vertex]] = corner
        last[vertex] = corner
    return first, last, following


@kernel()
def _suggest(heap, a, b, merges, place, quadric, boundary, optimal):
    """Put the edge between a and b on the heap, as it stands after so many merges."""
    if optimal:
        kept, gone = min(a, b), max(a, b)
        target = np.empty(3, np.float64)
        _find_place(target, kept, gone, place, quadric, boundary, optimal)
        heappush(heap, (_error(kept, gone, target, quadric), kept, gone, merges))
        return
    if boundary[a] or not boundary[b]:
        heappush(heap, (_error(a, b, place[a], quadric), a, b, merges))
    if boundary[b] or not boundary[a]:
        heappush(heap, (_error(b, a, place[b], quadric), b, a, merges))


@kernel()
def _error(a, b, x, quadric):
    """What the quadrics of both vertices say of a place."""
    q = quadric[a] + quadric[b]
    along_x = q[0] * x[0] + 2 * (q[1] * x[1] + q[2] * x[2] - q[6])
    along_y = q[3] * x[1] + 2 * (q[4] * x[2] - q[7])
    along_z = q[5] * x[2] - 2 * q[8]
    return max(along_x * x[0] + along_y * x[1] + along_z * x[2] + q[9], 0.0)


@kernel()
def _find_place(target, kept, gone, place, quadric, boundary, optimal):
    """Where the merged vertex shall stand: if it may move, where its error is least."""
    if not optimal or (boundary[kept] and not boundary[gone]):
        target[:] = place[kept]
        return
    if boundary[gone] and not boundary[kept]:
        target[:] = place[gone]
        return
    q = quadric[kept] + quadric[gone]
    minor_x = q[3] * q[5] - q[4] * q[4]
    minor_y = q[2] * q[4] - q[1] * q[5]
    minor_z = q[1] * q[4] - q[2] * q[3]
    determinant = q[0] * minor_x + q[1] * minor_y + q[2] * minor_z
    if determinant <= 0:  # faces without area alone
        target[:] = place[kept]
        return
    xz, yy = q[1] * q[2] - q[0] * q[4], q[0] * q[5] - q[2] * q[2]
    zz = q[0] * q[3] - q[1] * q[1]
    target[0] = (minor_x * q[6] + minor_y * q[7] + minor_z * q[8]) / determinant
    target[1] = (minor_y * q[6] + yy * q[7] + xz * q[8]) / determinant
    target[2] = (minor_z * q[6] + xz * q[7] + zz * q[8]) / determinant


@kernel()
def _stays_a_surface(kept, gone, faces, first, following, boundary, mark, stamp):
    """Whether the links of both have nothing in common but the link of their edge."""
    num_faces = 0
    corner = first[kept]
    while corner >= 0:
        num_faces += 1
        for k in range(3):
            mark[faces[corner // 3, k]] = stamp
        corner = following[corner]
    num_faces_of_gone, shared, common = 0, 0, 0
    corner = first[gone]
    while corner >= 0:
        num_faces_of_gone += 1
        for k in range(3):
            vertex = faces[corner // 3, k]
            if vertex == kept:
                shared += 1
            elif vertex != gone and mark[vertex] == stamp:
                mark[vertex] = stamp + 1
                common += 1
        corner = following[corner]
    if common != shared:
        return False
    if shared == 2 and boundary[kept] and boundary[gone]:
        return False
    least = 3 if shared == 2 else 1  # faces of each vertex of a tetrahedron, and of a triangle
    on_boundary = boundary[kept] or boundary[gone]
    smallest = num_faces == least and num_faces_of_gone == least
    return not smallest or (shared == 2 and on_boundary)


@kernel()
def _turns_a_face(moved, other, target, place, faces, first, following):
    """Whether a face of ``moved`` that lasts turns by 90 degrees or more, or loses its area."""
    corner = first[moved]
    while corner >= 0:
        face, k = corner // 3, corner % 3
        following_vertex, last_vertex = faces[face, (k + 1) % 3], faces[face, (k + 2) % 3]
        if following_vertex != other and last_vertex != other:
            a, b = place[following_vertex], place[last_vertex]
            before_x, before_y, before_z = _normal(place[moved], a, b)
            after_x, after_y, after_z = _normal(target, a, b)
            had_area = before_x != 0 or before_y != 0 or before_z != 0
            if had_area and before_x * after_x + before_y * after_y + before_z * after_z <= 0:
                return True
        corner = following[corner]
    return False


@kernel()
def _normal(a, b, c):
    u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0


@kernel()
def _merge_stars(kept, gone, faces, face_stands, first, last, following):
    """Let the faces of ``gone`` be faces of ``kept``, without those that both had."""
    corner = first[gone]
    while corner >= 0:
        face = corner // 3
        if faces[face, 0] == kept or faces[face, 1] == kept or faces[face, 2] == kept:
            face_stands[face] = False
        corner = following[corner]
    corner = first[gone]
    while corner >= 0:
        face = corner // 3
        if face_stands[face]:
            faces[face, corner % 3] = kept
        else:
            for k in range(3):
                if faces[face, k] != kept and faces[face, k] != gone:
                    _leave_fallen_faces(faces[face, k], face_stands, first, last, following)
        corner = following[corner]
    following[last[kept]] = first[gone]
    last[kept] = last[gone]
    _leave_fallen_faces(kept, face_stands, first, last, following)


@kernel()
def _leave_fallen_faces(vertex, face_stands, first, last, following):
    corner, previous = first[vertex], -1
    while corner >= 0:
        if face_stands[corner // 3]:
            previous = corner
        elif previous < 0:
            first[vertex] = following[corner]
        else:
            following[previous] = following[corner]
        corner = following[corner]
    last[vertex] = previous
