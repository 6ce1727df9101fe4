"""Graphics drawn here as SVG, one module a kind of graphic: no script and no style attribute, for the policy forbids both.

Each function gives markup that a template puts into its page; colours are classes of the style sheet, so that they follow light
and dark. Belongs here: geometry. Does not belong here: what the numbers mean, or colours.
"""
