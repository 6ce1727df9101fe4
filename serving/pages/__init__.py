"""Pages for people, rendered here without scripts or anything fetched from elsewhere.

One module a page: it asks the store what the page shows and names a template. Belongs here: what people see and in which words.
Does not belong here: queries, figures that the JSON answers do not have, who may ask.
"""
