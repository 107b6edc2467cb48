"""The notation of all formulas: symbol, name in the code, meaning."""

from __future__ import annotations

__all__ = ["NOTATION", "notation_table"]

NOTATION = (
    (r"N", "network.depth", "depth: the number of layers"),
    (r"X = W_N \cdots W_1", "network.shape", r"end-to-end matrix, $m \times n$, of rank $r$"),
    (r"\beta", "dyson_index", r"1, 2, 4 over the real, complex and quaternionic numbers"),
    (r"X = U \Sigma V^{\mathsf T}", "FactoredMatrix", r"$\Sigma = \mathrm{diag}(\sigma_1, \dots, \sigma_r)$"),
    (r"\sigma_1 > \dots > \sigma_r > 0", "singular_values", "singular values, numbered from 1"),
    (r"\Lambda = \Sigma^{2/N}", "", "what the layers' Gram matrices have as their spectrum"),
    (r"\mathcal{A}_N(Z)", "operator", r"$\sum_{p=1}^N (X X^{\mathsf T})^{(N-p)/N} Z (X^{\mathsf T} X)^{(p-1)/N}$"),
    (r"\lambda_{kl},\ \lambda_{k0}", "multiplier", r"its value on $u_k v_l^{\mathsf T}$, and against a null space"),
    (r"g^N(Z, Z)", "network.metric", r"metric $\langle Z, \mathcal{A}_N^{-1} Z \rangle$"),
    (r"d\sigma_k", "one_form", "radial part of the coframe"),
    (r"\Omega^U,\ \Omega^V", "one_form", r"rotations $U^{\mathsf T} dU$ and $V^{\mathsf T} dV$"),
    (r"A,\ B", "one_form", r"$U_\perp^{\mathsf T} dU$ and $V_\perp^{\mathsf T} dV$, towards the null spaces"),
    (r"\sqrt{\det g}", "volume_density", "density of the volume form in the coframe"),
    (r"\prod_{k<l},\ \sum_{k<l}", "IndexedProduct", r"over all pairs $1 \leq k < l \leq r$"),
    (r"\sum_{l \neq k}", "SumOverOthers", r"over all other indices $1 \leq l \leq r$"),
    (r"y_k = \sqrt{N} \sigma_k^{1/N}", "FlatCoordinate", "flat radial coordinates"),
    (r"E,\ \nabla E,\ G", "energy", r"energy, its Euclidean gradient, $G = U^{\mathsf T} \nabla E\, V$"),
    (r"S_N,\ T,\ F", "network.entropy", r"entropy, temperature, free energy $F = E - T S_N$"),
)
"""Symbol in LaTeX, name in the code, meaning in LaTeX."""


def notation_table() -> str:
    """The notation as a table in LaTeX."""
    rows = []
    for symbol, name, meaning in NOTATION:
        code = r"\texttt{" + name.replace("_", r"\_") + "}" if name else ""
        rows.append(rf"${symbol}$ & {meaning} & {code} \\")
    head = [r"\begin{longtable}{@{}lp{78mm}l@{}}", r"\toprule", r"symbol & meaning & in the code \\", r"\midrule"]
    return "\n".join([*head, r"\endhead", *rows, r"\bottomrule", r"\end{longtable}"])
