select match_id
from {{ ref('fct_disagreement') }}
where source = other_source or value = other_value
